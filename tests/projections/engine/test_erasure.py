"""The erasure of stored rows: each table finds the rows of a data subject by an index."""

import asyncpg
import pytest

from events.log.connection import Connection
from projections.catalog import LIVE
from projections.engine.derived_table import DerivedTable
from projections.engine.erasure import scrub_statement

SUBJECT = "'{00000000-0000-0000-0000-000000000001}'"


@pytest.mark.parametrize("is_indexed", [True, False])
async def test_the_rows_of_an_erased_subject_are_found_by_an_index(
    owner_pool: asyncpg.Pool, is_indexed: bool
) -> None:
    """The tables are empty, so the planner is asked for an index if there is one at all."""
    tables = [table for table in LIVE.tables if table.erased_values]
    assert len(tables) > 10
    async with owner_pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL enable_seqscan = off")
        if not is_indexed:
            await conn.execute("DROP INDEX idx_workflow_actions_lead")
        scanned = [table.name for table in tables if await _is_scanned(conn, table)]
    assert scanned == ([] if is_indexed else ["workflow_actions"])


async def _is_scanned(conn: Connection, table: DerivedTable) -> bool:
    """Return whether the statement reads the whole table, or a whole index."""
    statement = scrub_statement(table).replace("$1", SUBJECT)
    lines = [row[0] for row in await conn.fetch(f"EXPLAIN {statement}")]
    is_searched = any(f"Index Cond: ({table.subject} = ANY" in line for line in lines)
    return not is_searched
