"""Personal values outside of the log: encrypted bytes in columns of operational tables."""

from collections.abc import Sequence
from uuid import UUID

from events.keys.data_key import TamperedValue
from events.keys.ring import current_ring
from events.keys.store import Source

_ID_BYTES = 16
_CONTEXT = b"bytes"


async def seal_all(source: Source, values: Sequence[tuple[UUID, bytes]]) -> list[bytes | None]:
    """Encrypt values, each (data subject, value), with one query for all keys.

    None stands for a value whose data subject is erased: store nothing then. A value that belongs
    to no known subject can have one of its own, such as the id of its row. Raises `DataKeyMissing`.
    """
    keys = await current_ring().keys_of(source, {subject_id for subject_id, _ in values})
    return [
        None
        if (key := keys[subject_id]) is None
        else key.id.bytes + key.seal(value, _context(subject_id))
        for subject_id, value in values
    ]


async def open_all(source: Source, sealed: Sequence[tuple[UUID, bytes]]) -> list[bytes | None]:
    """Decrypt values, each (data subject, bytes of `seal_all`), with one query for all keys.

    None stands for a value whose data subject is erased. Raises `DataKeyMissing`, and
    `TamperedValue` for changed bytes.
    """
    if any(len(value) <= _ID_BYTES for _, value in sealed):
        raise TamperedValue("the encrypted value is too short")
    needed: dict[UUID, UUID | None] = {
        UUID(bytes=value[:_ID_BYTES]): subject_id for subject_id, value in sealed
    }
    keys = await current_ring().load(source, needed, needed.get)
    return [
        None
        if (key := keys[UUID(bytes=value[:_ID_BYTES])]) is None
        else key.open(value[_ID_BYTES:], _context(subject_id))
        for subject_id, value in sealed
    ]


def _context(subject_id: UUID) -> bytes:
    return _CONTEXT + subject_id.bytes
