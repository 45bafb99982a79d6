"""Positions: without gaps, without skipped rows or delays, assigned under the relay lease."""

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


async def test_positions_have_no_gaps_and_name_the_previous_one_of_their_shard(
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
        while await sequencer.assign_positions(conn, lease, 7):
            pass
        rows = await conn.fetch(
            "SELECT shard, position, previous FROM crm_events ORDER BY position"
        )
        heads = await sequencer.read_shard_heads(conn)
    assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
    last_positions = dict.fromkeys(range(64), 0)
    for shard, position, previous in rows:
        assert previous == last_positions[shard]
        last_positions[shard] = position
    assert last_positions == heads


async def test_a_rollback_leaves_no_gap(pool: asyncpg.Pool) -> None:
    world = await make_world(pool)
    async with pool.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        await append(conn, [world.new(world.captured(email=None))], expected={})
        await transaction.rollback()
    await world.append(world.new(world.captured(email=None)))
    await world.number()
    numbers = await positions(pool)
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_long_transaction_delays_no_other_rows(pool: asyncpg.Pool) -> None:
    world = await make_world(pool)
    async with pool.acquire() as other:
        open_transaction = other.transaction()
        await open_transaction.start()
        await append(other, [world.new(world.captured(email=None))], expected={})
        await world.append(world.new(world.captured(email=None)))
        assert await asyncio.wait_for(world.number(), 5) == 3
        await open_transaction.commit()
    assert await world.number() == 1


async def test_a_relay_whose_lease_was_taken_can_neither_number_nor_publish(
    pool: asyncpg.Pool,
) -> None:
    world = await make_world(pool)
    await world.append(world.new(world.captured()))
    async with pool.acquire() as conn:
        old_lease = await sequencer.acquire(conn, "old", 0)
        assert old_lease is not None
        new_lease = await sequencer.acquire(conn, "new", 60)
        assert new_lease is not None
        assert await sequencer.acquire(conn, "third", 60) is None
        for refused in (
            sequencer.assign_positions(conn, old_lease, 10),
            sequencer.mark_published(conn, old_lease, 1),
            sequencer.renew(conn, old_lease, 1),
        ):
            with pytest.raises(LeaseLost):
                await refused
        assert len(await sequencer.assign_positions(conn, new_lease, 10)) == 3
        await sequencer.release(conn, old_lease)
        assert await sequencer.acquire(conn, "third", 60) is None
        await sequencer.release(conn, new_lease)
        assert await sequencer.acquire(conn, "third", 60) is not None


@pytest.mark.parametrize("limit", [7, 1_000])
async def test_a_row_written_after_another_was_read_has_a_higher_position(
    pool: asyncpg.Pool, limit: int
) -> None:
    world: World = await make_world(pool)
    ids = [uuid4() for _ in range(40)]
    for event_id in ids:
        await world.append(world.new(world.captured(email=None), event_id=event_id))
    async with pool.acquire() as conn:
        lease = await sequencer.acquire(conn, "one", 0)
        assert lease is not None
        while await sequencer.assign_positions(conn, lease, limit):
            pass
        rows = await conn.fetch(
            "SELECT id FROM crm_events WHERE id = ANY($1::uuid[]) ORDER BY position", ids
        )
    assert [row["id"] for row in rows] == ids
