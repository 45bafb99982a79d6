"""The encrypted form of a stored payload: personal values in one member, other fields in clear."""

from binascii import b2a_base64
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

from events.catalog import kind_of
from events.keys.data_key import DataKey
from events.personal import erased_values
from events.sealed_member import SEALED, SealedPayload

_COMMA = ord(",")


def seal(
    name: str, event_id: UUID, clear: bytes | dict[str, Any], fields: Sequence[str],
    key: DataKey | None, nonce: bytes = b"",
) -> bytes:  # fmt: skip
    """Return the stored payload: these fields of a clear one (JSON, or parsed) are encrypted.

    Without a key, because the data subject is erased, their values are left out. They are taken
    out of a parsed payload too. `nonce`: as for `DataKey.seal`.
    """
    payload = orjson.loads(clear) if isinstance(clear, bytes) else clear
    values = {field: payload.pop(field) for field in fields}
    member = _member_start(tuple(fields))
    if key is not None:
        encrypted = key.seal(orjson.dumps(values), _context(name, event_id), nonce)
        value = b2a_base64(encrypted, newline=False)  # as `b64encode`, with one call less
        member = b'%b,"key":"%b","value":"%b"' % (member, key.id_text, value)
    # Joined, because a result of orjson that is kept occupies a kilobyte.
    return b"%b%b%b}}" % (orjson.dumps(payload)[:-1], b"," if payload else b"", member)


@lru_cache(maxsize=1_024)
def _member_start(fields: tuple[str, ...]) -> bytes:
    return b'"%b":{"fields":%b' % (SEALED.encode(), orjson.dumps(fields))


def unseal(name: str, event_id: UUID, sealed: SealedPayload, key: DataKey | None) -> bytes:
    """Return the clear payload; without a key, the encrypted fields have their erased values.

    The member `sealed` is cut out of the text, which is much faster than to parse and print the
    clear fields. They come first: where a name is in both, the encrypted value counts. If a copy of
    the member is cut out instead, the real one is left, and the event class does not accept it.

    Raises `UnknownEvent`, and `TamperedValue` if the value was changed or belongs to another event.
    """
    payload, fields, key_id, _, value, start, end = sealed
    if key is None or key_id is None:
        erased = erased_values(kind_of(name))
        return orjson.dumps(sealed.clear() | {field: erased.get(field) for field in fields})
    values = key.open(value, _context(name, event_id))
    if start < 0 or not end:  # the text of another printer
        return orjson.dumps(sealed.clear() | orjson.loads(values))
    if payload[end] == _COMMA:
        return b"%b%b,%b" % (payload[:start], payload[end + 1 : -1], values[1:])
    return payload[:start] + values[1:]


def _context(name: str, event_id: UUID) -> bytes:
    """Return what an encrypted value is bound to: it cannot be moved to another event."""
    return event_id.bytes + name.encode()
