"""The host's other code beside the core: streams in order, few locks, and fair comparisons."""

import asyncio

import asyncpg
import pytest

from events.leads import LeadUpdated
from events.log import read
from events.record import Stream
from projections.engine import adoption
from projections.engine.adoption import HostRows
from tests.host import live_is_rebuilt, rebuild_of
from tests.services.adoption.conftest import ROWS, Hosted

LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"


async def test_the_host_and_the_core_write_one_lead_at_once(adopted: Hosted) -> None:
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
        if _says(recorded.event, "bedrooms")
    ]
    assert row["bedrooms"] == last[-1]
    await live_is_rebuilt(adopted.pool)


def _says(event: object, field: str) -> bool:
    return isinstance(event, LeadUpdated) and field in event.changes


async def test_a_transaction_of_many_rows_holds_few_locks(adopted: Hosted) -> None:
    conn = adopted.conn
    async with conn.transaction():
        await conn.execute("UPDATE leads SET notes = 'moved in'")
        await conn.execute("UPDATE conversations SET channel = 'chat'")
        await conn.execute("UPDATE messages SET content = content || '.'")
        assert await conn.fetchval(LOCKS) <= 200 + 2 * len(adopted.host.properties)
    said = await conn.fetchval("SELECT count(*) FROM crm_events WHERE actor = 'host'")
    changed = await conn.fetchval("SELECT count(*) FROM leads WHERE notes = 'moved in'")
    assert (changed, said > 2 * ROWS) == (ROWS, True)
    await adopted.world.project()
    await live_is_rebuilt(adopted.pool)


@pytest.mark.parametrize("protected", [True, False])
async def test_rows_in_which_the_host_is_ahead_are_not_called_different(
    adopted: Hosted, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    if not protected:

        async def nobody_ahead(_conn: object, _group: str) -> HostRows:
            return HostRows(True, ())

        monkeypatch.setattr(adoption, "host_rows", nobody_ahead)
    await adopted.conn.execute(
        "UPDATE leads SET notes = 'ahead' WHERE id = $1", adopted.host.leads[0]
    )
    assert (await rebuild_of(adopted.pool).verify()).equal is protected
