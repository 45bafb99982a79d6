"""The key store: the tables of schema `crm_keys`, in the log's database or in another one."""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple, TypeAlias
from uuid import UUID

import asyncpg

from events.keys.master import WrappedKey
from events.log.connection import Connection

Source: TypeAlias = Connection | asyncpg.Pool
"""The connection on which statements run, in its open transaction, or a pool."""


class StoredKey(NamedTuple):
    """A row of the data keys. `wrapped` is None for a destroyed key, and all for a missing one."""

    subject_id: UUID | None
    key_id: UUID | None
    wrapped: bytes | None
    master_key: str | None


async def read_keys(source: Source, key_ids: Iterable[UUID]) -> dict[UUID, StoredKey]:
    """Return key id → row, for the keys that the store has."""
    rows = await source.fetch(
        "SELECT subject_id, key_id, wrapped, master_key FROM crm_keys.data_keys "
        "WHERE key_id = ANY($1::uuid[])",
        list(key_ids),
    )
    return {row["key_id"]: StoredKey(*row.values()) for row in rows}


async def read_keys_and_erasures(
    source: Source, key_ids: Iterable[UUID]
) -> tuple[dict[UUID, StoredKey], set[UUID]]:
    """Return the rows of `read_keys`, and which of their subjects are erased, in one query."""
    rows = await source.fetch(
        """
        SELECT keys.subject_id, keys.key_id, keys.wrapped, keys.master_key,
          erased.subject_id IS NOT NULL AS is_erased
        FROM crm_keys.data_keys keys LEFT JOIN crm.erased_subjects erased USING (subject_id)
        WHERE keys.key_id = ANY($1::uuid[])
        """,
        list(key_ids),
    )
    stored = {row["key_id"]: StoredKey(*row[:4]) for row in rows}
    return stored, {row["subject_id"] for row in rows if row["is_erased"]}


async def read_keys_of(source: Source, subject_ids: Iterable[UUID]) -> dict[UUID, StoredKey]:
    """Return data subject → row, for the subjects that have a key or had one."""
    rows = await source.fetch(
        "SELECT subject_id, key_id, wrapped, master_key FROM crm_keys.data_keys "
        "WHERE subject_id = ANY($1::uuid[])",
        list(subject_ids),
    )
    return {row["subject_id"]: StoredKey(*row.values()) for row in rows}


async def read_keys_and_erasures_of(
    source: Source, subject_ids: Iterable[UUID]
) -> tuple[dict[UUID, StoredKey], set[UUID]]:
    """Return the rows of `read_keys_of` and the erased subjects, from one database in one query."""
    rows = await source.fetch(
        """
        SELECT needed.subject_id, keys.key_id, keys.wrapped, keys.master_key,
          erased.subject_id IS NOT NULL AS is_erased
        FROM unnest($1::uuid[]) AS needed (subject_id)
        LEFT JOIN crm_keys.data_keys keys USING (subject_id)
        LEFT JOIN crm.erased_subjects erased USING (subject_id)
        """,
        list(subject_ids),
    )
    stored = {row["subject_id"]: StoredKey(*row[:4]) for row in rows if row["key_id"] is not None}
    return stored, {row["subject_id"] for row in rows if row["is_erased"]}


async def add_keys(source: Source, new: Sequence[StoredKey]) -> dict[UUID, StoredKey]:
    """Store the keys of these subjects; return subject → row of those that it had already.

    A key that a concurrent transaction stored first wins. The order of the rows is the same in all
    transactions, so that two of them cannot deadlock.
    """
    columns = list(zip(*sorted(new, key=attrgetter("subject_id.int")), strict=True))
    status: str = await source.execute(
        """
        INSERT INTO crm_keys.data_keys (subject_id, key_id, wrapped, master_key)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::text[])
        ON CONFLICT (subject_id) DO NOTHING
        """,
        *columns,
    )
    if int(status.rpartition(" ")[2]) == len(new):
        return {}
    # The insert has waited for the other transactions, and this statement sees what they committed.
    stored = await read_keys_of(source, columns[0])
    key_ids = {row.key_id for row in new}
    return {s: row for s, row in stored.items() if row.key_id not in key_ids}


async def destroy_keys(source: Source, subject_ids: Sequence[UUID]) -> int:
    """Destroy the data keys of these subjects; return how many existed until now.

    The rows remain and say when. No other key can be made for these subjects.
    """
    rows = await source.fetch(
        "UPDATE crm_keys.data_keys SET wrapped = NULL, master_key = NULL, "
        "destroyed_at = clock_timestamp() WHERE subject_id = ANY($1::uuid[]) "
        "AND wrapped IS NOT NULL RETURNING subject_id",
        list(subject_ids),
    )
    return len(rows)


async def add_destroyed_keys(source: Source, keys: Mapping[UUID, UUID]) -> None:
    """Store subject → key id as destroyed, for the subjects that never had a key.

    Every erased subject has a row that says so; it outlives a restore of the log.
    """
    await source.execute(
        "INSERT INTO crm_keys.data_keys (subject_id, key_id, destroyed_at) "
        "SELECT *, clock_timestamp() FROM unnest($1::uuid[], $2::uuid[]) "
        "ON CONFLICT (subject_id) DO NOTHING",
        sorted(keys),
        [keys[subject] for subject in sorted(keys)],
    )


async def list_destroyed(source: Source) -> list[UUID]:
    """Return the subjects whose key is destroyed."""
    # A destroyed key has no master key; the index supports this form.
    rows = await source.fetch("SELECT subject_id FROM crm_keys.data_keys WHERE master_key IS NULL")
    return [row["subject_id"] for row in rows]


async def read_secret(source: Source, purpose: str) -> WrappedKey | None:
    """Return the wrapped secret key of a purpose, or None."""
    row = await source.fetchrow(
        "SELECT wrapped, master_key FROM crm_keys.secret_keys WHERE purpose = $1", purpose
    )
    return None if row is None else WrappedKey(*row.values())


async def add_secret(source: Source, purpose: str, wrapped: WrappedKey) -> WrappedKey:
    """Store the secret key of a purpose if it has none; return the one that it has now."""
    row = await source.fetchrow(
        "INSERT INTO crm_keys.secret_keys AS stored (purpose, wrapped, master_key) "
        "VALUES ($1, $2, $3) ON CONFLICT (purpose) DO UPDATE SET purpose = stored.purpose "
        "RETURNING wrapped, master_key",
        purpose,
        *wrapped,
    )
    if row is None:
        raise RuntimeError("an insert returns its row")
    return WrappedKey(*row.values())


async def read_master_key_ids(source: Source) -> list[str]:
    """Return the ids of the master keys with which keys in the store are wrapped.

    Each step of the recursion reads one entry of the index, however many keys there are.
    """
    rows = await source.fetch(
        """
        WITH RECURSIVE used (id) AS (
          SELECT min(master_key) FROM crm_keys.data_keys
          UNION ALL
          SELECT (SELECT min(master_key) FROM crm_keys.data_keys WHERE master_key > used.id)
          FROM used WHERE used.id IS NOT NULL
        )
        SELECT id FROM used WHERE id IS NOT NULL
        UNION SELECT master_key FROM crm_keys.secret_keys ORDER BY 1
        """
    )
    return [row["id"] for row in rows]


async def read_erased(source: Source, subject_ids: Iterable[UUID]) -> set[UUID]:
    """Return those of the subjects that the log says are erased."""
    rows = await source.fetch(
        "SELECT subject_id FROM crm.erased_subjects WHERE subject_id = ANY($1::uuid[])",
        list(subject_ids),
    )
    return {row["subject_id"] for row in rows}
