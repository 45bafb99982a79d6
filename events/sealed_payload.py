"""The encrypted form of a stored payload: personal values in one member, other fields in clear."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import orjson

from events.catalog import kind_of
from events.keys.data_key import DataKey, TamperedValue
from events.personal import erased_values, subject_field
from events.uuids import QuickUUID

SEALED = "sealed"
"""The member of a stored payload with the encrypted values. No event has a field of this name."""
_SEALED_TEXT, _SEALED_BYTES = f'"{SEALED}"', f'"{SEALED}"'.encode()


class _Member(msgspec.Struct, gc=False):
    """The member `sealed`; `value` is base64 in JSON."""

    fields: list[str]
    key: str | None = None
    value: bytes = b""


class _StoredPayload(msgspec.Struct, gc=False):
    """A stored payload, of which only the member `sealed` is decoded."""

    sealed: _Member | None = None


_decode_payload = msgspec.json.Decoder(_StoredPayload).decode


class SealedPayload(NamedTuple):
    """A stored payload with encrypted values, and what its member `sealed` has.

    Without a key, the subject was erased before the event was appended.
    """

    payload: bytes
    fields: Sequence[str]
    key_text: str | None
    key_id: UUID | None
    value: bytes

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


def seal(
    name: str, event_id: UUID, clear: bytes | Mapping[str, Any], fields: Sequence[str],
    key: DataKey | None,
) -> bytes:  # fmt: skip
    """Return the stored payload: these fields of a clear one (JSON, or parsed) are encrypted.

    Without a key, because the data subject is erased, their values are left out.
    """
    payload = orjson.loads(clear) if isinstance(clear, bytes) else dict(clear)
    values = {field: payload.pop(field) for field in fields}
    member = _member_start(tuple(fields))
    if key is not None:
        encrypted = key.seal(orjson.dumps(values), _context(name, event_id))
        member += b',"key":"%b","value":"%b"' % (key.id_text, b64encode(encrypted))
    # Joined, because a result of orjson that is kept occupies a kilobyte.
    return b"%b%b%b}}" % (orjson.dumps(payload)[:-1], b"," if payload else b"", member)


@lru_cache(maxsize=1_024)
def _member_start(fields: tuple[str, ...]) -> bytes:
    return b'"%b":{"fields":%b' % (SEALED.encode(), orjson.dumps(fields))


def find_sealed(payload: bytes | str) -> SealedPayload | None:
    """Return the parts of a stored payload; None if it has no encrypted values.

    Raises `TamperedValue` for a member `sealed` of another form.
    """
    if isinstance(payload, str):
        if _SEALED_TEXT not in payload:
            return None
        payload = payload.encode()
    elif _SEALED_BYTES not in payload:
        return None
    try:
        member = _decode_payload(payload).sealed
        if member is None:  # a nested one, of a clear JSON object
            return None
        key = member.key
        key_id = None if key is None else QuickUUID(key)
    except ValueError as error:
        raise TamperedValue(f"the member {SEALED} of the payload has another form") from error
    return _make_sealed_payload((payload, member.fields, key, key_id, member.value))


def unseal(name: str, event_id: UUID, sealed: SealedPayload, key: DataKey | None) -> bytes:
    """Return the clear payload; without a key, the encrypted fields have their erased values.

    Raises `UnknownEvent`, and `TamperedValue` if the value was changed or belongs to another event.
    """
    if key is None or sealed.key_id is None:
        erased = erased_values(kind_of(name))
        return orjson.dumps(sealed.clear() | {field: erased.get(field) for field in sealed.fields})
    values = key.open(sealed.value, _context(name, event_id))
    return _join(sealed.payload, f'"{SEALED}": {{"key": "{sealed.key_text}"'.encode(), values)


def _join(payload: bytes, member_start: bytes, values: bytes) -> bytes:
    """Return the clear fields and then the decrypted ones, both JSON objects, as one object.

    The member `sealed` is cut out of the text as PostgreSQL prints it, which is much faster than to
    parse and print the clear fields. They come first: where a name is in both, the encrypted value
    counts. If a copy of the member is cut out instead, the real one is left, and the event class
    does not accept it.
    """
    start = payload.find(member_start)
    end = payload.find(b"}", start) + 1  # no name of a field and no base64 has a brace
    if start < 0 or not end:  # the text of another printer
        clear = orjson.loads(payload)
        del clear[SEALED]
        return orjson.dumps(clear | orjson.loads(values))
    if payload[end : end + 1] == b",":
        return b"%b%b,%b" % (payload[:start], payload[end + 1 : -1], values[1:])
    return payload[:start] + values[1:]


def _context(name: str, event_id: UUID) -> bytes:
    """Return what an encrypted value is bound to: it cannot be moved to another event."""
    return event_id.bytes + name.encode()
