"""Contents of rows that are no events: encrypted, each with the id of its data subject before it.

The data subject is a lead, a session or a conversation where the row belongs to one. Otherwise it
is the row itself, or the property.
"""

from collections.abc import Sequence
from uuid import UUID

from events.keys import store
from events.keys.data_key import TamperedValue
from events.keys.errors import DataKeyMissing
from events.keys.ring import current_ring
from events.keys.sealing import open_all, seal_all
from events.keys.store import Source

_CLEAR, _SEALED = b"\x00", b"\x01"
"""The first byte. Clear contents are older than the encryption: migrations wrote them."""
ERASED = b"\x02"
"""The bytes that are stored in the place of an erased content."""
_ID_END = 17


async def seal_contents(source: Source, contents: Sequence[tuple[UUID, bytes]]) -> list[bytes]:
    """Return each content (data subject, bytes) encrypted; `ERASED` if its key is destroyed.

    Keys of new subjects are created, in the transaction of `source` if the key store is there.
    """
    if not contents:
        return []
    try:
        sealed = await seal_all(source, contents)
    except DataKeyMissing:
        # The key of a row is destroyed with it. The log has no erasure of this subject.
        destroyed = await _find_destroyed(source, [subject_id for subject_id, _ in contents])
        kept = [item for item in contents if item[0] not in destroyed]
        rest = iter(await seal_all(source, kept))
        sealed = [None if item[0] in destroyed else next(rest) for item in contents]
    return [
        ERASED if value is None else _SEALED + subject_id.bytes + value
        for (subject_id, _), value in zip(contents, sealed, strict=True)
    ]


async def open_contents(source: Source, sealed: Sequence[bytes]) -> list[bytes | None]:
    """Return each content; None where it is erased, or its key is destroyed.

    Raises `DataKeyMissing` for a key that the store does not have at all, and `TamperedValue`.
    """
    subjects = [subject_of(value) for value in sealed]
    needed = [
        (subject_id, value[_ID_END:])
        for subject_id, value in zip(subjects, sealed, strict=True)
        if subject_id is not None
    ]
    destroyed: set[UUID] = set()
    try:
        opened = iter(await open_all(source, needed))
    except DataKeyMissing:
        destroyed = await _find_destroyed(source, [subject_id for subject_id, _ in needed])
        opened = iter(await open_all(source, [n for n in needed if n[0] not in destroyed]))
    return [
        (None if value == ERASED else value[1:]) if subject_id is None
        else None if subject_id in destroyed else next(opened)
        for subject_id, value in zip(subjects, sealed, strict=True)
    ]  # fmt: skip


async def open_each(source: Source, sealed: Sequence[bytes]) -> list[bytes | TamperedValue | None]:
    """Return the same as `open_contents`, with the error in the place of a changed content."""
    try:
        return list(await open_contents(source, sealed))
    except TamperedValue as error:
        if len(sealed) == 1:
            return [error]
    return [opened for value in sealed for opened in await open_each(source, [value])]


def subject_of(sealed: bytes) -> UUID | None:
    """Return the data subject of a sealed content, None of a clear or erased one.

    Raises `TamperedValue`.
    """
    if sealed.startswith(_CLEAR) or sealed == ERASED:
        return None
    if not sealed.startswith(_SEALED) or len(sealed) <= _ID_END:
        raise TamperedValue("the stored content is not sealed: its first bytes are unknown")
    return UUID(bytes=sealed[1:_ID_END])


async def _find_destroyed(source: Source, subject_ids: Sequence[UUID]) -> set[UUID]:
    rows = await store.read_keys_of(await current_ring().store_of(source), set(subject_ids))
    return {subject_id for subject_id, row in rows.items() if row.wrapped is None}
