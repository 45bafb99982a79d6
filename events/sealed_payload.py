"""The encrypted form of a stored payload: personal values in one member, other fields in clear."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import orjson

from events.catalog import kind_of
from events.keys.data_key import DataKey, TamperedValue, from_text, to_text
from events.personal import erased_values, subject_field
from events.uuids import QuickUUID

SEALED = "sealed"
"""The member of a stored payload with the encrypted values. No event has a field of this name."""
_SEALED_TEXT, _SEALED_BYTES = f'"{SEALED}"', f'"{SEALED}"'.encode()


class _StoredPayload(msgspec.Struct, gc=False):
    """A stored payload, of which only the member `sealed` is decoded, as its JSON text."""

    sealed: msgspec.Raw = msgspec.Raw()


class _Member(msgspec.Struct, gc=False):
    """The member `sealed`."""

    fields: list[str]
    key: str | None = None
    value: str = ""


_decode_payload = msgspec.json.Decoder(_StoredPayload).decode
_decode_member = msgspec.json.Decoder(_Member).decode


class SealedPayload(NamedTuple):
    """A stored payload with encrypted values, and what its member `sealed` has.

    Without `key_id`, the subject was erased before the event was appended.
    """

    payload: bytes
    member: bytes
    fields: Sequence[str]
    key_id: UUID | None
    value: str

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


def seal(
    name: str,
    event_id: UUID,
    clear: bytes,
    fields: Sequence[str],
    key: DataKey | None,
    content: Mapping[str, Any] | None = None,
) -> bytes:
    """Return the stored payload: these fields of a clear one are encrypted.

    Without a key, because the data subject is erased, their values are left out. `content` is the
    parsed clear payload, where the caller has it.
    """
    payload = orjson.loads(clear) if content is None else dict(content)
    values = {field: payload.pop(field) for field in fields}
    sealed: dict[str, Any] = {"fields": fields}
    if key is not None:
        encrypted = key.seal(orjson.dumps(values), _context(name, event_id))
        sealed |= {"key": key.id_text, "value": to_text(encrypted)}
    payload[SEALED] = sealed
    return orjson.dumps(payload)


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
        member = bytes(_decode_payload(payload).sealed)
        if not member.startswith(b"{"):  # a nested one, of a clear JSON object
            return None
        parts = _decode_member(member)
        key_id = None if parts.key is None else QuickUUID(parts.key)
    except ValueError as error:
        raise TamperedValue(f"the member {SEALED} of the payload has another form") from error
    return SealedPayload(payload, member, parts.fields, key_id, parts.value)


def unseal(name: str, event_id: UUID, sealed: SealedPayload, key: DataKey | None) -> bytes:
    """Return the clear payload; without a key, the encrypted fields have their erased values.

    Raises `UnknownEvent`, and `TamperedValue` if the value was changed or belongs to another event.
    """
    if key is None or sealed.key_id is None:
        erased = erased_values(kind_of(name))
        return orjson.dumps(sealed.clear() | {field: erased.get(field) for field in sealed.fields})
    values = key.open(from_text(sealed.value), _context(name, event_id))
    return _join(sealed, values)


def _join(sealed: SealedPayload, values: bytes) -> bytes:
    """Return the clear fields and then the decrypted ones, both JSON objects, as one object.

    The member `sealed` is cut out of the text as PostgreSQL prints it, which is much faster than to
    parse and print the clear fields. They come first: where a name is in both, the encrypted value
    counts.
    """
    before, found, after = sealed.payload.partition(_SEALED_BYTES + b": " + sealed.member)
    if not found:  # the text of another printer
        clear = orjson.dumps(sealed.clear())
        return clear[:-1] + b"," + values[1:] if clear != b"{}" else values
    if after.startswith(b","):
        return before + after[1:-1] + b"," + values[1:]
    return before + values[1:]


def _context(name: str, event_id: UUID) -> bytes:
    """Return what an encrypted value is bound to: it cannot be moved to another event."""
    return event_id.bytes + name.encode()
