"""One order: gap-free, nobody skipped, nothing stalled, numbered by the holder of the epoch."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from events.log import sequencer
from events.log.append import append
from events.log.sequencer import LeaseLost
from tests.world import World, make_world


async def positions(pool: asyncpg.Pool) -> list[int]:
    async with pool.acquire() as conn:
        rows = await conn.fetch("SELECT position FROM crm_events ORDER BY position")
    return [row["position"] for row in rows]


async def test_positions_have_no_gaps_and_each_knows_the_one_before_in_its_shard(
    pool: asyncpg.Pool,
) -> None:
    world = await make_world(pool, properties=6)
    for _ in range(5):
        for property_id in world.properties:
            await world.append(
                world.new(world.captured(email=None), property_id=property_id),
                world.new(world.captured(email=None), property_id=property_id),
            )
    async with pool.acquire() as conn:
        lease = await sequencer.acquire(conn, "one", 0)
        assert lease is not None
        while await sequencer.number(conn, lease, 7):
            pass
        rows = await conn.fetch(
            "SELECT shard, position, previous FROM crm_events ORDER BY position"
        )
        heads = await sequencer.heads(conn)
    assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
    last = dict.fromkeys(range(64), 0)
    for shard, position, previous in rows:
        assert previous == last[shard]
        last[shard] = position
    assert last == heads


async def test_a_roll_back_leaves_no_gap(pool: asyncpg.Pool) -> None:
    world = await make_world(pool)
    async with pool.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        await append(conn, [world.new(world.captured(email=None))], expected={})
        await transaction.rollback()
    await world.append(world.new(world.captured(email=None)))
    await world.number()
    found = await positions(pool)
    assert found == list(range(1, len(found) + 1))


async def test_a_long_transaction_elsewhere_stalls_nothing(pool: asyncpg.Pool) -> None:
    world = await make_world(pool)
    async with pool.acquire() as other:
        idle = other.transaction()
        await idle.start()
        await append(other, [world.new(world.captured(email=None))], expected={})
        await world.append(world.new(world.captured(email=None)))
        assert await asyncio.wait_for(world.number(), 5) == 3
        await idle.commit()
    assert await world.number() == 1


async def test_who_has_been_deposed_numbers_and_publishes_nothing(pool: asyncpg.Pool) -> None:
    world = await make_world(pool)
    await world.append(world.new(world.captured()))
    async with pool.acquire() as conn:
        old = await sequencer.acquire(conn, "old", 0)
        assert old is not None
        new = await sequencer.acquire(conn, "new", 60)
        assert new is not None
        assert await sequencer.acquire(conn, "third", 60) is None
        for refused in (
            sequencer.number(conn, old, 10),
            sequencer.published(conn, old, 1),
            sequencer.renew(conn, old, 1),
        ):
            with pytest.raises(LeaseLost):
                await refused
        assert len(await sequencer.number(conn, new, 10)) == 3
        await sequencer.release(conn, old)
        assert await sequencer.acquire(conn, "third", 60) is None
        await sequencer.release(conn, new)
        assert await sequencer.acquire(conn, "third", 60) is not None


@pytest.mark.parametrize("at_once", [7, 1_000])
async def test_what_was_written_after_reading_another_is_numbered_after_it(
    pool: asyncpg.Pool, at_once: int
) -> None:
    world: World = await make_world(pool)
    ids = [uuid4() for _ in range(40)]
    for event_id in ids:
        await world.append(world.new(world.captured(email=None), event_id=event_id))
    async with pool.acquire() as conn:
        lease = await sequencer.acquire(conn, "one", 0)
        assert lease is not None
        while await sequencer.number(conn, lease, at_once):
            pass
        rows = await conn.fetch(
            "SELECT id FROM crm_events WHERE id = ANY($1::uuid[]) ORDER BY position", ids
        )
    assert [row["id"] for row in rows] == ids
