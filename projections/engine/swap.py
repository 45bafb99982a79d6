"""The swap: moves shadow tables to the place of the live tables in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass

from events.log.connection import Connection
from projections.engine import foreign_keys, row_security
from projections.engine.derived_table import DerivedTable
from projections.engine.foreign_keys import ForeignKey
from projections.engine.host_triggers import ENGINE_SEARCH_PATH
from projections.engine.in_place import write_differences

LOCK_SECONDS = 2
"""Longest wait for a lock. Readers and writers queue behind a waiting swap, so it gives up soon."""


@dataclass(frozen=True, slots=True)
class InPlaceDifferences:
    """The in-place tables that differ from their shadow tables; see `write_differences`."""

    tables: Sequence[DerivedTable]
    is_shared: bool


async def swap(
    conn: Connection,
    keys: Sequence[ForeignKey],
    tables: Sequence[DerivedTable],
    schema: str,
    old_schema: str,
    differences: InPlaceDifferences,
) -> list[ForeignKey]:
    """Swap shadow tables and live tables, in the caller's transaction.

    In-place tables stay, and their differences are written. Returns the foreign keys to validate
    after the commit: those of other tables to the new tables, and of new tables to in-place ones.
    """
    swapped = [table for table in tables if not table.is_in_place]
    swapped_names = {table.live_name for table in swapped}
    in_place_names = {table.live_name for table in tables if table.is_in_place}
    affected = [key for key in keys if key.parent in swapped_names or key.child in swapped_names]
    # Shadow tables have their foreign keys already, except those to in-place tables.
    missing = [
        key for key in affected if key.child not in swapped_names or key.parent in in_place_names
    ]
    await conn.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'; SET LOCAL search_path = ''")
    await conn.execute(f"DROP SCHEMA IF EXISTS {old_schema} CASCADE; CREATE SCHEMA {old_schema}")
    policies = await row_security.read_policies(conn, sorted(swapped_names))
    # Foreign keys and policies refer to tables, not to names: they would stay with the old tables.
    # Foreign keys are dropped first, because this takes the locks that are hardest to get.
    await foreign_keys.drop(conn, affected)
    await row_security.drop_policies(conn, policies)
    for table in swapped:
        await copy_protection(conn, table, schema)
        await conn.execute(f"ALTER TABLE {table.live_name} SET SCHEMA {old_schema}")
        await conn.execute(f"ALTER TABLE {schema}.{table.name} SET SCHEMA {table.schema}")
    await row_security.create_policies(conn, policies)
    if differences.tables:
        await conn.execute(f"SET LOCAL search_path = {ENGINE_SEARCH_PATH}")
        await write_differences(
            conn, differences.tables, schema, old_schema, is_shared=differences.is_shared
        )
        await conn.execute("SET LOCAL search_path = ''")
    # Validation reads whole tables, so it waits until the locks of the swap are released.
    await foreign_keys.add_unvalidated(conn, missing)
    return missing


async def copy_protection(conn: Connection, table: DerivedTable, schema: str) -> None:
    """Give a shadow table the owner, grants, row level security and triggers of its live table.

    It is done in the transaction of the swap, so that a grant or a trigger that was added during
    the rebuild is not lost.
    """
    live, shadow = table.live_name, f"{schema}.{table.name}"
    await conn.execute("SET LOCAL search_path = ''")
    row = await conn.fetchrow(
        "SELECT pg_get_userbyid(relowner) AS owner, relrowsecurity, relforcerowsecurity "
        "FROM pg_class WHERE oid = $1::text::regclass",
        live,
    )
    assert row is not None  # noqa: S101 — the table exists, or the cast to regclass had failed
    await conn.execute(f'ALTER TABLE {shadow} OWNER TO "{row["owner"]}"')
    if row["relrowsecurity"]:
        await conn.execute(f"ALTER TABLE {shadow} ENABLE ROW LEVEL SECURITY")
    if row["relforcerowsecurity"]:
        await conn.execute(f"ALTER TABLE {shadow} FORCE ROW LEVEL SECURITY")
    await _copy_grants(conn, live, shadow)
    await _copy_triggers(conn, live, shadow)


async def _copy_grants(conn: Connection, live: str, shadow: str) -> None:
    for grant in await conn.fetch(
        "SELECT privilege_type, CASE grantee WHEN 0 THEN 'PUBLIC' "
        "ELSE quote_ident(pg_get_userbyid(grantee)) END AS grantee, is_grantable "
        "FROM pg_class, aclexplode(relacl) WHERE oid = $1::text::regclass AND grantee <> relowner",
        live,
    ):
        option = " WITH GRANT OPTION" if grant["is_grantable"] else ""
        await conn.execute(
            f"GRANT {grant['privilege_type']} ON {shadow} TO {grant['grantee']}{option}"
        )


async def _copy_triggers(conn: Connection, live: str, shadow: str) -> None:
    for trigger in await conn.fetch(
        "SELECT tgname, tgenabled, pg_get_triggerdef(oid) AS definition FROM pg_trigger "
        "WHERE tgrelid = $1::text::regclass AND NOT tgisinternal",
        live,
    ):
        await conn.execute(trigger["definition"].replace(f" ON {live} ", f" ON {shadow} "))
        if trigger["tgenabled"] in (b"A", "A"):
            await conn.execute(f'ALTER TABLE {shadow} ENABLE ALWAYS TRIGGER "{trigger["tgname"]}"')
