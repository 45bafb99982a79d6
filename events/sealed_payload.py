"""The encrypted form of a stored payload: personal values in one member, other fields in clear."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from events.catalog import kind_of
from events.keys.data_key import DataKey, TamperedValue, from_text, to_text
from events.personal import erased_values, subject_field

SEALED = "sealed"
"""The member of a stored payload with the encrypted values. No event has a field of this name."""
_SEALED_TEXT, _SEALED_BYTES = f'"{SEALED}"', f'"{SEALED}"'.encode()


@dataclass(frozen=True, slots=True)
class SealedPayload:
    """A stored payload with encrypted values: its clear fields, and the member `sealed`.

    Without `key_id`, the subject was erased before the event was appended.
    """

    clear: dict[str, Any]
    fields: Sequence[str]
    key_id: UUID | None
    value: str

    def subject_id(self, name: str) -> UUID | None:
        """Return the data subject, as far as the clear fields say it."""
        field = subject_field(kind_of(name))
        text = None if field is None else self.clear.get(field)
        return UUID(text) if isinstance(text, str) else None


def seal(
    name: str, event_id: UUID, clear: bytes, fields: Sequence[str], key: DataKey | None
) -> bytes:
    """Return the stored payload: these fields of a clear one are encrypted.

    Without a key, because the data subject is erased, their values are left out.
    """
    payload = orjson.loads(clear)
    values = {field: payload.pop(field) for field in fields}
    sealed: dict[str, Any] = {"fields": fields}
    if key is not None:
        encrypted = key.seal(orjson.dumps(values), _context(name, event_id))
        sealed |= {"key": str(key.id), "value": to_text(encrypted)}
    payload[SEALED] = sealed
    return orjson.dumps(payload)


def find_sealed(payload: bytes | str) -> SealedPayload | None:
    """Return the parts of a stored payload; None if it has no encrypted values.

    Raises `TamperedValue` for a member `sealed` of another form.
    """
    if isinstance(payload, str):
        if _SEALED_TEXT not in payload:
            return None
    elif _SEALED_BYTES not in payload:
        return None
    content = orjson.loads(payload)
    member = content.pop(SEALED, None) if isinstance(content, dict) else None
    if not isinstance(member, dict):  # a nested one, of a clear JSON object
        return None
    try:
        key = member.get("key")
        return SealedPayload(
            content, member["fields"], None if key is None else UUID(key), member.get("value", "")
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise TamperedValue(f"the member {SEALED} of the payload has another form") from error


def unseal(name: str, event_id: UUID, sealed: SealedPayload, key: DataKey | None) -> bytes:
    """Return the clear payload; without a key, the encrypted fields have their erased values.

    Raises `UnknownEvent`, and `TamperedValue` if the value was changed or belongs to another event.
    """
    kind = kind_of(name)
    if key is None or sealed.key_id is None:
        erased = erased_values(kind)
        return orjson.dumps(sealed.clear | {field: erased.get(field) for field in sealed.fields})
    values = key.open(from_text(sealed.value), _context(name, event_id))
    clear = orjson.dumps(sealed.clear)
    # Both are JSON objects with members, so that they are joined without parsing the values.
    return clear[:-1] + b"," + values[1:] if sealed.clear else values


def _context(name: str, event_id: UUID) -> bytes:
    """Return what an encrypted value is bound to: it cannot be moved to another event."""
    return event_id.bytes + name.encode()
