"""The host and the core write at the same time: versions in order, few locks, fair comparisons."""

import asyncio

import asyncpg
import pytest

from events.leads import LeadUpdated
from events.log import read
from events.record import Stream
from projections.engine import adoption
from projections.engine.adoption import HostRows
from tests.host import assert_live_equals_rebuilt, rebuild_of
from tests.services.adoption.conftest import ROWS, HostDatabase

APPEND_SECONDS = 20
LOCKS = "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()"


async def test_the_host_and_the_core_write_one_lead_at_the_same_time(adopted: HostDatabase) -> None:
    lead, world = adopted.host.leads[0], adopted.world
    others = [await asyncpg.connect(adopted.url) for _ in range(8)]
    edit = "UPDATE leads SET notes = coalesce(notes, '') || 'x' WHERE id = $1"
    await asyncio.gather(
        *(other.execute(edit, lead) for other in others),
        *(
            world.append(world.new(LeadUpdated(lead_id=lead, bedrooms=str(number))))
            for number in range(8)
        ),
    )
    for other in others:
        await other.close()
    await world.append_staged()  # edits that committed after the last append of the core
    async with adopted.pool.acquire() as conn:
        recorded_events = await read.streams(conn, [Stream("lead", lead)])
    assert [recorded.version for recorded in recorded_events] == list(range(1, 18))
    await world.project()
    row = await adopted.conn.fetchrow("SELECT notes, bedrooms FROM leads WHERE id = $1", lead)
    assert row is not None
    assert row["notes"] == "x" * 8
    last = [
        recorded.event.bedrooms  # type: ignore[union-attr]
        for recorded in recorded_events
        if _changes(recorded.event, "bedrooms")
    ]
    assert row["bedrooms"] == last[-1]
    await assert_live_equals_rebuilt(adopted.pool)


def _changes(event: object, field: str) -> bool:
    return isinstance(event, LeadUpdated) and field in event.changes


async def test_an_open_transaction_of_the_host_delays_no_append(adopted: HostDatabase) -> None:
    lead, world = adopted.host.leads[0], adopted.world
    async with adopted.conn.transaction():
        await adopted.conn.execute("UPDATE leads SET notes = 'slow' WHERE id = $1", lead)
        update = world.new(LeadUpdated(lead_id=lead, bedrooms="2"))
        await asyncio.wait_for(world.append(update), APPEND_SECONDS)
    await world.project()
    row = await adopted.conn.fetchrow("SELECT notes, bedrooms FROM leads WHERE id = $1", lead)
    assert row is not None
    assert tuple(row) == ("slow", "2")
    await assert_live_equals_rebuilt(adopted.pool)


async def test_a_transaction_of_many_rows_holds_few_locks(adopted: HostDatabase) -> None:
    conn = adopted.conn
    async with conn.transaction():
        await conn.execute("UPDATE leads SET notes = 'moved in'")
        await conn.execute("UPDATE conversations SET channel = 'chat'")
        await conn.execute("UPDATE messages SET content = content || '.'")
        assert await conn.fetchval(LOCKS) <= 200
    await adopted.world.append_staged()
    events = await conn.fetchval("SELECT count(*) FROM crm_events WHERE actor = 'host'")
    changed = await conn.fetchval("SELECT count(*) FROM leads WHERE notes = 'moved in'")
    assert (changed, events > 2 * ROWS) == (ROWS, True)
    await adopted.world.project()
    await assert_live_equals_rebuilt(adopted.pool)


@pytest.mark.parametrize("is_protected", [True, False])
async def test_rows_that_the_host_changed_after_the_checkpoint_are_not_differences(
    adopted: HostDatabase, monkeypatch: pytest.MonkeyPatch, is_protected: bool
) -> None:
    if not is_protected:

        async def no_rows_ahead(_conn: object, _group: str) -> HostRows:
            return HostRows(True, ())

        monkeypatch.setattr(adoption, "read_host_rows", no_rows_ahead)
    await adopted.conn.execute(
        "UPDATE leads SET notes = 'ahead' WHERE id = $1", adopted.host.leads[0]
    )
    assert (await rebuild_of(adopted.pool).verify()).equal is is_protected
