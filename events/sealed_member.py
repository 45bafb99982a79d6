"""The member `sealed` of a stored payload, and where it is in the text."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import orjson

from events.catalog import kind_of
from events.keys.data_key import TamperedValue
from events.personal import subject_field
from events.uuids import QuickUUID

SEALED = "sealed"
"""The member of a stored payload with the encrypted values. No event has a field of this name."""
_SEALED_TEXT, _SEALED_BYTES = f'"{SEALED}"', f'"{SEALED}"'.encode()


class _Member(msgspec.Struct, gc=False):
    """The member `sealed`; `value` is base64 in JSON."""

    fields: tuple[str, ...]
    key: str | None = None
    value: bytes = b""


class _StoredPayload(msgspec.Struct, gc=False):
    """A stored payload, of which only the member `sealed` is decoded."""

    sealed: _Member | None = None


_decode_payload = msgspec.json.Decoder(_StoredPayload).decode


class SealedPayload(NamedTuple):
    """A stored payload with encrypted values, and what its member `sealed` has.

    Without a key, the subject was erased before the event was appended. `start` and `end` are the
    place of the member in the text, if PostgreSQL printed it; else `start` is negative.
    """

    payload: bytes
    fields: tuple[str, ...]
    key_id: UUID | None
    key_text: bytes
    """The id in its text form, which is faster as the key of a dictionary."""
    value: bytes
    start: int
    end: int

    def clear(self) -> dict[str, Any]:
        """Return the clear fields."""
        content: dict[str, Any] = orjson.loads(self.payload)
        del content[SEALED]
        return content

    def subject_id(self, name: str) -> UUID | None:
        """Return the data subject, as far as the clear fields say it."""
        field = subject_field(kind_of(name))
        try:
            return None if field is None else QuickUUID(self.clear().get(field))
        except (TypeError, ValueError):
            return None


_make_sealed_payload: Callable[[Iterable[Any]], SealedPayload] = partial(
    tuple.__new__, SealedPayload
)
"""Create one from its parts in order: faster than a call of the class."""


def find_sealed(payload: bytes | str) -> SealedPayload | None:
    """Return the parts of a stored payload; None if it has no encrypted values.

    Raises `TamperedValue` for a member `sealed` of another form.
    """
    if isinstance(payload, str):
        if _SEALED_TEXT not in payload:
            return None
        payload = payload.encode()
    start = payload.find(_SEALED_BYTES)
    if start < 0:
        return None
    try:
        member = _decode_payload(payload).sealed
        if member is None:  # a nested one, of a clear JSON object
            return None
        key = member.key
        if key is None:
            return _make_sealed_payload((payload, member.fields, None, b"", b"", -1, 0))
        key_id = QuickUUID(key)
    except ValueError as error:
        raise TamperedValue(f"the member {SEALED} of the payload has another form") from error
    key_text = key.encode()
    if not payload.startswith(b'"sealed": {"key": "%b"' % key_text, start):
        start = -1
    end = payload.find(b"}", start) + 1  # no name of a field and no base64 has a brace
    return _make_sealed_payload(
        (payload, member.fields, key_id, key_text, member.value, start, end)
    )
