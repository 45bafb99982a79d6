"""Stored payloads in batches: their keys are loaded with one query, then they are decoded."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from events.catalog import UnknownEvent, kind_of
from events.codec import read_event
from events.event import Event
from events.keys.data_key import DataKey
from events.keys.ring import current_ring
from events.keys.store import Source
from events.record import UnreadableEvent
from events.sealed_payload import SealedPayload, find_sealed


class StoredPayload(NamedTuple):
    """A payload of the log or of the bus."""

    event_id: UUID
    name: str
    version: int
    payload: bytes | str


class LoadedPayloads(NamedTuple):
    """Stored payloads with the keys that decode them; `parts` has one item for each payload."""

    stored: Sequence[StoredPayload]
    parts: Sequence[SealedPayload | UnreadableEvent | None]
    keys: Mapping[UUID, DataKey | None]

    def is_erased(self, number: int) -> bool:
        """Return whether a payload has encrypted values that are erased."""
        part = self.parts[number]
        if not isinstance(part, SealedPayload):
            return False
        return part.key_id is None or self.keys[part.key_id] is None

    def decode(self, start: int, end: int) -> list[Event | UnreadableEvent]:
        """Return the events of a slice, or an `UnreadableEvent` with the reason."""
        return [
            part if isinstance(part, UnreadableEvent)
            else read_event(name, version, payload, event_id, part, self.keys)
            for (event_id, name, version, payload), part in zip(
                self.stored[start:end], self.parts[start:end], strict=True
            )
        ]  # fmt: skip


async def load_payloads(source: Source, stored: Sequence[StoredPayload]) -> LoadedPayloads:
    """Load the keys of these payloads; one query on `source`, only for those not loaded before.

    Raises `DataKeyMissing`, `WrongMasterKey` and `MasterKeyMissing`.
    """
    parts: list[SealedPayload | UnreadableEvent | None] = []
    needed: dict[UUID, tuple[str, SealedPayload]] = {}
    for _, name, version, payload in stored:
        try:
            sealed = find_sealed(payload)
            if sealed is not None and sealed.key_id is not None:
                kind_of(name)
                needed[sealed.key_id] = (name, sealed)
            parts.append(sealed)
        except (UnknownEvent, ValueError) as error:
            parts.append(UnreadableEvent.of(name, version, payload, str(error)))
    return LoadedPayloads(stored, parts, await _load_keys(source, needed) if needed else {})


async def _load_keys(
    source: Source, needed: Mapping[UUID, tuple[str, SealedPayload]]
) -> Mapping[UUID, DataKey | None]:
    """Return the keys; only for those not loaded before the data subject is looked up."""
    ring = current_ring()
    keys = ring.find_loaded(needed)
    unknown = {
        key_id: sealed.subject_id(name)
        for key_id, (name, sealed) in needed.items() if key_id not in keys
    }  # fmt: skip
    if unknown:
        keys |= await ring.load(source, unknown)
    return keys


async def read_payloads(
    source: Source, stored: Sequence[StoredPayload]
) -> list[Event | UnreadableEvent]:
    """Return the event of each payload. Raises the same as `load_payloads`."""
    return (await load_payloads(source, stored)).decode(0, len(stored))
