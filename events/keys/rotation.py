"""The rotation of the master key: the keys of the store are wrapped again, in batches."""

from uuid import UUID

from events.keys.master import WrappedKey
from events.keys.ring import KeyRing, context_of
from events.keys.store import Source

BATCH_KEYS = 1_000
"""Keys that one statement wraps again: it locks their rows for some milliseconds."""
_OTHER = "(master_key < $1 OR master_key > $1)"
"""Wrapped by another master key, in a form that the index supports. Destroyed keys have null."""


async def count_old_keys(ring: KeyRing, source: Source) -> int:
    """Return how many keys are not wrapped by the first of the configured master keys."""
    target = await ring.store_of(source)
    count: int = await target.fetchval(
        f"SELECT (SELECT count(*) FROM crm_keys.data_keys WHERE {_OTHER}) "
        f"+ (SELECT count(*) FROM crm_keys.secret_keys WHERE {_OTHER})",
        ring.master_keys.current,
    )
    return count


async def rewrap_batch(ring: KeyRing, source: Source) -> int:
    """Wrap a batch of old keys with the first master key; return their number, 0 at the end.

    A key that is destroyed or wrapped again meanwhile stays as it is. Repeating the call after an
    interruption continues. Raises `WrongMasterKey`, and nothing of the batch is changed.
    """
    target, master_keys = await ring.store_of(source), ring.master_keys
    rows = await target.fetch(
        "SELECT subject_id, key_id, wrapped, master_key FROM crm_keys.data_keys "
        f"WHERE {_OTHER} LIMIT {BATCH_KEYS}",
        master_keys.current,
    )
    if not rows:
        return await _rewrap_secrets(ring, target)
    subject_ids: list[UUID] = []
    wrapped: list[bytes] = []
    for subject_id, key_id, old, master_key in rows:
        context = context_of(key_id, subject_id)
        key = master_keys.unwrap(WrappedKey(old, master_key), context)
        subject_ids.append(subject_id)
        wrapped.append(master_keys.wrap(key, context).wrapped)
    await target.execute(
        "UPDATE crm_keys.data_keys stored SET wrapped = new.wrapped, master_key = $1 "
        "FROM unnest($2::uuid[], $3::bytea[], $4::bytea[]) AS new (subject_id, wrapped, old) "
        "WHERE stored.subject_id = new.subject_id AND stored.wrapped = new.old",
        master_keys.current,
        subject_ids,
        wrapped,
        [row["wrapped"] for row in rows],
    )
    return len(rows)


async def _rewrap_secrets(ring: KeyRing, target: Source) -> int:
    master_keys = ring.master_keys
    rows = await target.fetch(
        f"SELECT purpose, wrapped, master_key FROM crm_keys.secret_keys WHERE {_OTHER}",
        master_keys.current,
    )
    for purpose, *stored in rows:
        context = purpose.encode()
        new = master_keys.wrap(master_keys.unwrap(WrappedKey(*stored), context), context)
        await target.execute(
            "UPDATE crm_keys.secret_keys SET wrapped = $1, master_key = $2 "
            "WHERE purpose = $3 AND wrapped = $4",
            *new,
            purpose,
            stored[0],
        )
    return len(rows)
