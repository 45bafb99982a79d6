"""Refused staged changes: they wait encrypted, in order, and delay their entity only."""

import asyncpg
import pytest

from events.keys.ring import current_ring
from events.leads import LeadUpdated
from events.log.append import append_staged
from events.log.refused_changes import list_refused, retry_refused
from events.log.staged_backlog import read_backlog
from events.log.staged_changes import has_ready_changes
from events.record import Stream
from tests.events.log.test_staged_changes import history, stage
from tests.world import World, make_world


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


async def test_a_refused_change_delays_its_entity_only(world: World) -> None:
    first, second = world.captured(email="a@example.com"), world.captured(email="b@example.com")
    await world.append(world.new(first), world.new(second))
    await stage(world, {"status": "secret words"}, first.lead_id)
    await stage(world, {"notes": "later"}, first.lead_id)
    await stage(world, {"notes": "other"}, second.lead_id)
    async with world.pool.acquire() as conn, conn.transaction():
        await append_staged(conn)
    async with world.pool.acquire() as conn:
        rows = await conn.fetch("SELECT payload, problem FROM crm.staged_changes ORDER BY seq")
        [refused] = await list_refused(conn)
        assert not await has_ready_changes(conn), "nobody polls for what waits"
        backlog = await read_backlog(conn)
    assert [row["problem"] for row in rows] == [
        "the payload is not a lead.updated: status: extra_forbidden", None,
    ]  # fmt: skip
    assert (backlog.waiting, backlog.refused, backlog.reason) == (2, 1, rows[0]["problem"])
    assert refused["behind"] == 1
    assert "secret words" not in str(rows[0]["payload"]), "it waits encrypted"
    assert rows[0]["payload"]["sealed"]["fields"] == ["status"]
    assert rows[0]["payload"]["lead_id"] == str(first.lead_id)
    assert len(await history(world, Stream("lead", second.lead_id))) == 2
    await world.append(world.new(LeadUpdated(lead_id=second.lead_id, bedrooms="2")))
    for _ in range(2):
        async with world.pool.acquire() as conn, conn.transaction():
            assert await retry_refused(conn) == [refused["seq"]]
            await append_staged(conn)
    assert await world.count("crm.staged_changes WHERE problem LIKE '%extra_forbidden'") == 1


async def test_a_change_that_the_log_accepts_later_is_appended_with_its_values(
    world: World, owner_pool: asyncpg.Pool
) -> None:
    lead = world.captured()
    await world.append(world.new(lead))
    refuse = "ALTER TABLE crm_events ADD CONSTRAINT none CHECK (event_type <> 'lead.updated')"
    await owner_pool.execute(refuse + " NOT VALID")
    await stage(world, {"notes": "secret words"}, lead.lead_id)
    await stage(world, {"bedrooms": "2"}, lead.lead_id)
    await world.append_staged()
    assert await world.count("crm.staged_changes WHERE payload::text LIKE '%secret words%'") == 0
    await owner_pool.execute("ALTER TABLE crm_events DROP CONSTRAINT none")
    async with world.pool.acquire() as conn:
        assert len(await retry_refused(conn)) == 1
    await world.append_staged()
    *_, first, second = await history(world, Stream("lead", lead.lead_id))
    assert isinstance(first.event, LeadUpdated)
    assert isinstance(second.event, LeadUpdated)
    assert (first.event.notes, second.event.bedrooms) == ("secret words", "2")


async def test_a_missing_key_delays_its_entity_only_and_in_order(world: World) -> None:
    first, second = world.captured(email="a@example.com"), world.captured(email="b@example.com")
    await world.append(world.new(first), world.new(second))
    keys = "SELECT wrapped, master_key FROM crm_keys.data_keys WHERE subject_id = $1"
    stored = await world.pool.fetchrow(keys, first.lead_id)
    await current_ring().destroy(world.pool, [first.lead_id])
    await stage(world, {"notes": "secret words"}, first.lead_id)
    await stage(world, {"notes": "later"}, first.lead_id)
    await stage(world, {"notes": "other"}, second.lead_id)
    await world.append_staged()
    assert len(await history(world, Stream("lead", second.lead_id))) == 2
    rows = await world.pool.fetch("SELECT payload, problem FROM crm.staged_changes ORDER BY seq")
    assert "the key store lacks 1 data key" in rows[0]["problem"]
    assert "secret words" not in str(rows[0]["payload"])
    assert stored is not None
    await world.pool.execute(
        "UPDATE crm_keys.data_keys SET wrapped = $2, master_key = $3, destroyed_at = NULL "
        "WHERE subject_id = $1", first.lead_id, *stored,
    )  # fmt: skip
    async with world.pool.acquire() as conn:
        await retry_refused(conn)
    await world.append_staged()
    *_, updated, later = await history(world, Stream("lead", first.lead_id))
    assert isinstance(updated.event, LeadUpdated)
    assert isinstance(later.event, LeadUpdated)
    assert (updated.event.notes, later.event.notes) == ("secret words", "later")
