"""Hashes of personal texts that were stored before there was a key: they are keyed once."""

from collections.abc import Sequence

import asyncpg

from events.claims import keyed

_BATCH = 100_000

# The conditions are those of the partial indexes of migration 0048, which are empty afterwards. So
# this costs the start of a process nothing.
_TABLES: Sequence[tuple[str, str, str, str]] = (
    (
        "crm.claims", "value", "(other.kind, other.scope) = (stored.kind, stored.scope)",
        "kind IN ('lead.email', 'lead.phone', 'lead.external_id') AND length(value) = 40",
    ),
    (
        "crm.contact_opt_outs", "contact",
        "(other.org_id, other.channel) = (stored.org_id, stored.channel)", "length(contact) = 40",
    ),
)  # fmt: skip
"""Table, column of the hash, the other columns of the primary key, and which hashes have no key."""


async def key_hashes(conn: asyncpg.Connection, contact_key: bytes) -> None:
    """Key the hashes without a key, in claims and opt-outs.

    The texts are not needed: a keyed hash is made of the unkeyed one. Interrupted, nothing has
    changed. A row that was written with the keyed hash meanwhile stays.
    """
    if not await conn.fetchval("SELECT to_regclass('crm.claims_unkeyed') IS NOT NULL"):
        return  # a schema of an older build, which compares unkeyed hashes
    for table, column, is_same, unkeyed in _TABLES:
        if not await conn.fetchval(f"SELECT EXISTS (SELECT FROM {table} WHERE {unkeyed})"):
            continue
        async with conn.transaction():
            await conn.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
            while rows := await conn.fetch(
                f"SELECT DISTINCT {column} FROM {table} WHERE {unkeyed} LIMIT {_BATCH}"
            ):
                old = [row[column] for row in rows]
                await conn.execute(
                    f"UPDATE {table} stored SET {column} = new.keyed "
                    "FROM unnest($1::text[], $2::text[]) AS new (unkeyed, keyed) "
                    f"WHERE {column} = new.unkeyed AND {unkeyed} AND NOT EXISTS ("
                    f"SELECT FROM {table} other WHERE other.{column} = new.keyed "
                    f"AND {is_same})",
                    old,
                    [keyed(value, contact_key) for value in old],
                )
                await conn.execute(
                    f"DELETE FROM {table} WHERE {unkeyed} AND {column} = ANY($1::text[])", old
                )
