"""Stored payloads in batches: their keys are loaded with one query, then they are decoded."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from events.catalog import CATALOG, UnknownEvent
from events.codec import read_event
from events.event import Event
from events.keys.data_key import DataKey
from events.keys.ring import current_ring
from events.keys.store import Source
from events.record import UnreadableEvent
from events.sealed_member import SealedPayload, find_sealed


class StoredPayload(NamedTuple):
    """A payload of the log or of the bus."""

    event_id: UUID
    name: str
    version: int
    payload: bytes | str


make_stored_payload: Callable[[Iterable[Any]], StoredPayload] = partial(
    tuple.__new__, StoredPayload
)
"""Create one from its parts in order: faster than a call of the class."""


class LoadedPayloads(NamedTuple):
    """Stored payloads with the keys that decode them; `parts` has one item for each payload.

    `keys`: key id as text → data key, None for an erased subject.
    """

    stored: Sequence[StoredPayload]
    parts: Sequence[SealedPayload | UnreadableEvent | None]
    keys: Mapping[bytes, DataKey | None]

    def is_erased(self, number: int) -> bool:
        """Return whether a payload has encrypted values that are erased."""
        part = self.parts[number]
        if not isinstance(part, SealedPayload):
            return False
        return part.key_id is None or self.keys[part.key_text] is None

    def decode(self, start: int, end: int) -> list[Event | UnreadableEvent]:
        """Return the events of a slice, or an `UnreadableEvent` with the reason."""
        return [
            part if isinstance(part, UnreadableEvent)
            else read_event(name, version, payload, event_id, part, self.keys)
            for (event_id, name, version, payload), part in zip(
                self.stored[start:end], self.parts[start:end], strict=True
            )
        ]  # fmt: skip


_NeededKey: TypeAlias = tuple[UUID, SealedPayload, str]
"""The id of a data key, the first payload that is encrypted with it, and the event's name."""


async def load_payloads(source: Source, stored: Sequence[StoredPayload]) -> LoadedPayloads:
    """Load the keys of these payloads; one query on `source`, only for those not loaded before.

    Raises `DataKeyMissing`, `WrongMasterKey` and `MasterKeyMissing`.
    """
    parts: list[SealedPayload | UnreadableEvent | None] = []
    needed: dict[bytes, _NeededKey] = {}
    for _, name, version, payload in stored:
        try:
            sealed = find_sealed(payload)
            if sealed is not None and (key_id := sealed.key_id) is not None:
                if name not in CATALOG:
                    raise UnknownEvent(name)
                if sealed.key_text not in needed:
                    needed[sealed.key_text] = (key_id, sealed, name)
            parts.append(sealed)
        except (UnknownEvent, ValueError) as error:
            parts.append(UnreadableEvent.of(name, version, payload, str(error)))
    return LoadedPayloads(stored, parts, await _load_keys(source, needed) if needed else {})


async def _load_keys(
    source: Source, needed: Mapping[bytes, _NeededKey]
) -> Mapping[bytes, DataKey | None]:
    """Return the keys; the data subject is looked up only for those that the store lacks."""
    payloads = {key_id: (sealed, name) for key_id, sealed, name in needed.values()}

    def subject_of(key_id: UUID) -> UUID | None:
        sealed, name = payloads[key_id]
        return sealed.subject_id(name)

    keys = await current_ring().load(source, payloads, subject_of)
    return {key_text: keys[key_id] for key_text, (key_id, _, _) in needed.items()}


async def read_payloads(
    source: Source, stored: Sequence[StoredPayload]
) -> list[Event | UnreadableEvent]:
    """Return the event of each payload. Raises the same as `load_payloads`."""
    return (await load_payloads(source, stored)).decode(0, len(stored))
