"""Row level security policies of tables that are swapped.

A policy refers to a table by its identity, not by its name. So policies are dropped before a swap
and created again after it, on the tables that then have these names.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from events.log.connection import Connection


@dataclass(frozen=True, slots=True)
class RowPolicy:
    """A row level security policy as PostgreSQL spells it; every name has its schema."""

    name: str
    table: str
    definition: str


async def read_policies(conn: Connection, tables: Sequence[str]) -> list[RowPolicy]:
    """Return the policies of these live tables, and those of other tables that read them."""
    await conn.execute("SET LOCAL search_path = ''")
    rows = await conn.fetch(
        """
        SELECT shown.*, policy.polrelid::regclass::text AS table_name
        FROM pg_policy policy JOIN pg_class c ON c.oid = policy.polrelid
        JOIN pg_policies shown ON shown.policyname = policy.polname AND shown.tablename = c.relname
          AND shown.schemaname = c.relnamespace::regnamespace::text
        WHERE policy.oid IN (SELECT objid FROM pg_depend
          WHERE classid = 'pg_policy'::regclass AND refclassid = 'pg_class'::regclass
            AND refobjid = ANY($1::text[]::regclass[]))
        ORDER BY table_name, policy.polname
        """,
        list(tables),
    )
    return [RowPolicy(row["policyname"], row["table_name"], _definition(row)) for row in rows]


def _definition(policy: asyncpg.Record) -> str:
    roles = ", ".join("PUBLIC" if r == "public" else f'"{r}"' for r in policy["roles"])
    using = f" USING ({policy['qual']})" if policy["qual"] else ""
    check = f" WITH CHECK ({policy['with_check']})" if policy["with_check"] else ""
    return f"AS {policy['permissive']} FOR {policy['cmd']} TO {roles}{using}{check}"


async def drop_policies(conn: Connection, policies: Sequence[RowPolicy]) -> None:
    for policy in policies:
        await conn.execute(f'DROP POLICY "{policy.name}" ON {policy.table}')


async def create_policies(conn: Connection, policies: Sequence[RowPolicy]) -> None:
    """Create policies on the tables that have these names now."""
    for policy in policies:
        await conn.execute(f'CREATE POLICY "{policy.name}" ON {policy.table} {policy.definition}')
