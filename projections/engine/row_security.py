"""Policies hold on to the very table, not to its name: taken off and put back around a swap."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from events.log.connection import Connection


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy as PostgreSQL spells it, every name with its schema."""

    name: str
    table: str
    definition: str


async def policies(conn: Connection, tables: Sequence[str]) -> list[Policy]:
    """The policies of these live tables, and those of others that look into them."""
    await conn.execute("SET LOCAL search_path = ''")
    rows = await conn.fetch(
        """
        SELECT said.*, mark.polrelid::regclass::text AS tbl
        FROM pg_policy mark JOIN pg_class tbl ON tbl.oid = mark.polrelid
        JOIN pg_policies said ON said.policyname = mark.polname AND said.tablename = tbl.relname
          AND said.schemaname = tbl.relnamespace::regnamespace::text
        WHERE mark.oid IN (SELECT objid FROM pg_depend
          WHERE classid = 'pg_policy'::regclass AND refclassid = 'pg_class'::regclass
            AND refobjid = ANY($1::text[]::regclass[]))
        ORDER BY tbl, mark.polname
        """,
        list(tables),
    )
    return [Policy(row["policyname"], row["tbl"], _policy(row)) for row in rows]


def _policy(policy: asyncpg.Record) -> str:
    roles = ", ".join("PUBLIC" if r == "public" else f'"{r}"' for r in policy["roles"])
    using = f" USING ({policy['qual']})" if policy["qual"] else ""
    check = f" WITH CHECK ({policy['with_check']})" if policy["with_check"] else ""
    return f"AS {policy['permissive']} FOR {policy['cmd']} TO {roles}{using}{check}"


async def drop(conn: Connection, policies: Sequence[Policy]) -> None:
    for policy in policies:
        await conn.execute(f'DROP POLICY "{policy.name}" ON {policy.table}')


async def create(conn: Connection, policies: Sequence[Policy]) -> None:
    """On the tables that have these names now."""
    for policy in policies:
        await conn.execute(f'CREATE POLICY "{policy.name}" ON {policy.table} {policy.definition}')
