"""The erasure of stored rows: each table finds the rows of a data subject by an index."""

from uuid import uuid4

import asyncpg
import pytest

from events.leads import LeadErased
from events.log.connection import Connection
from projections import leads
from projections.catalog import LIVE
from projections.engine import shadow, store
from projections.engine.derived_table import DerivedTable
from projections.engine.erasure import scrub_shadow, scrub_statement
from tests.projections.given import record
from tests.world import START

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


async def test_a_rebuild_erases_each_table_once_for_all_persons(owner_pool: asyncpg.Pool) -> None:
    """Shadow tables have no index: an erasure for itself would read the whole table."""
    erased, other = uuid4(), uuid4()
    work = LIVE.working_set()
    event = LeadErased(lead_id=erased, reason="asked", session_ids=(), conversation_ids=())
    for table, keys in work.missing_keys([record(1, event)]).items():
        work.rows[table].load(keys, {})
    work.fold([record(1, event)])
    assert not any(change.scrubbed for change in work.take_shadow_changes().values())
    assert LIVE.erased_subjects is not None
    schema = "crm_scrubbed"
    async with owner_pool.acquire() as conn, conn.transaction():
        await shadow.create(conn, LIVE.tables, schema)
        await conn.execute(f"INSERT INTO {schema}.leads (id, email, notes) VALUES "
                           "($1, 'a@example.com', 'quiet'), ($2, 'b@example.com', 'loud')",
                           erased, other)  # fmt: skip
        await store.insert(conn, LIVE.erased_subjects, [
            (erased, uuid4(), uuid4(), 1, erased, uuid4(), START)
        ], schema)  # fmt: skip
        await scrub_shadow(conn, leads.projection.table, LIVE.erased_subjects, schema)
        rows = await conn.fetch(f"SELECT id, email, notes FROM {schema}.leads")
        await shadow.drop(conn, schema)
    assert {tuple(row) for row in rows} == {(erased, None, None), (other, "b@example.com", "loud")}
