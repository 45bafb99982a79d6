"""Appends of many events: payloads and rows are made while the server executes statements."""

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from events.leads import LeadNoted
from events.log import overlap, read
from events.log.append import append
from events.log.errors import IdReused, LimitExceeded
from events.log.event_rows import PART_EVENTS
from events.log.limits import MAX_EVENT_BYTES
from events.record import NewEvent, Stream
from tests.conftest import until
from tests.world import World, make_world

MANY = 2 * PART_EVENTS + 1
LONG_QUERY = "SELECT pg_sleep(600), 42"
SLOW_QUERY = "SELECT count(*) FROM generate_series(1, 300000)"


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


async def fail() -> None:
    await asyncio.sleep(0)  # the statements begin in this turn of the event loop
    raise ValueError("the work failed")


async def add_one(numbers: list[int]) -> list[int]:
    return await overlap.make_all(lambda number: number + 1, numbers)


def many_notes(world: World) -> list[NewEvent]:
    """Return events of one stream that needs several COPYs."""
    lead = uuid4()
    notes = [world.new(LeadNoted(lead_id=lead, note=f"note {n}")) for n in range(1, MANY)]
    return [world.new(world.captured(lead)), *notes]


async def test_statements_and_work_both_return(world: World) -> None:
    numbers = list(range(3 * overlap.TURN_EVENTS))
    async with world.pool.acquire() as conn:
        result = await overlap.run(conn.fetchval("SELECT 7"), add_one(numbers))
    assert result == (7, [number + 1 for number in numbers])


async def test_an_error_of_the_work_leaves_the_transaction_usable(world: World) -> None:
    async with world.pool.acquire() as conn, conn.transaction():
        with pytest.raises(ValueError, match="the work failed"):
            await overlap.run(conn.fetchval(SLOW_QUERY), fail())
        assert await conn.fetchval("SELECT 1") == 1


@pytest.mark.parametrize("work", [fail, lambda: add_one([1])])
async def test_after_an_error_of_the_statements_the_connection_is_free(
    world: World, work: Any
) -> None:
    coroutine: Coroutine[Any, Any, object] = work()
    async with world.pool.acquire() as conn:
        with pytest.raises((ValueError, asyncpg.DivisionByZeroError)):
            await overlap.run(conn.fetchval("SELECT 1/0"), coroutine)
        assert await conn.fetchval("SELECT 1") == 1


async def test_a_cancellation_ends_the_statement_too(
    world: World, owner_pool: asyncpg.Pool
) -> None:
    async def is_running() -> bool:
        query = "SELECT count(*) FROM pg_stat_activity WHERE query = $1 AND state = 'active'"
        return bool(await owner_pool.fetchval(query, LONG_QUERY))

    async with world.pool.acquire() as conn:
        work = asyncio.Event().wait()
        task = asyncio.create_task(overlap.run(conn.execute(LONG_QUERY), work))
        await until(is_running)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await conn.fetchval("SELECT 1") == 1


async def test_many_events_of_a_stream_are_stored_in_their_order(world: World) -> None:
    events = many_notes(world)
    result = await world.append(*events)
    assert result.new == tuple(new.id for new in events)
    async with world.pool.acquire() as conn:
        history = await read.streams(conn, [Stream("lead", events[0].event.stream_id)])
    assert [recorded.version for recorded in history] == list(range(1, MANY + 1))
    assert [recorded.event for recorded in history] == [new.event for new in events]


async def test_many_events_are_appended_once(world: World) -> None:
    events = many_notes(world)
    await world.append(*events[: MANY // 2])
    result = await world.append(*events)
    assert set(result.duplicates) == {new.id for new in events[: MANY // 2]}
    assert len(result.new) == MANY - MANY // 2
    other = world.new(LeadNoted(lead_id=events[0].event.stream_id, note="x"), event_id=events[1].id)
    with pytest.raises(IdReused):
        await world.append(*events[2:], other)


async def test_a_large_event_among_many_leaves_the_transaction_usable(world: World) -> None:
    events = many_notes(world)
    large = world.new(world.captured(uuid4()).model_copy(update={"notes": "x" * MAX_EVENT_BYTES}))
    async with world.pool.acquire() as conn, conn.transaction():
        with pytest.raises(LimitExceeded):
            await append(conn, [*events, large], expected={})
        assert await conn.fetchval("SELECT count(*) FROM crm_events WHERE id = $1", large.id) == 0
        assert len((await append(conn, events, expected={})).new) == MANY


async def test_equal_values_of_many_events_have_different_ciphertexts(world: World) -> None:
    lead = uuid4()
    notes = [world.new(LeadNoted(lead_id=lead, note="the same")) for _ in range(MANY)]
    await world.append(world.new(world.captured(lead)), *notes)
    sealed = await world.pool.fetchval(
        "SELECT count(DISTINCT substr(payload -> 'sealed' ->> 'value', 1, 16)) FROM crm_events "
        "WHERE event_type = 'lead.noted'"
    )
    assert sealed == MANY
