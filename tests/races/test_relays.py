"""Two relays, and relays that die at the worst moment: the bus ends up whole, in one order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from events.bus import wire
from events.bus.publish import Publisher, create_topic
from events.log import read, sequencer
from events.log.sequencer import LeaseLost, RelayLease
from services.projector import projector
from services.relay import relay
from services.relay.run import Tour
from services.runtime.database import connect
from services.runtime.settings import Settings
from tests.conftest import until
from tests.races.processes import (
    demand_the_law,
    events_topic,
    level,
    on_the_bus,
    running,
    talk,
    whole_on_the_bus,
)
from tests.world import World, make_world

pytestmark = pytest.mark.stack


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool, properties=4)


@asynccontextmanager
async def tour_of(settings: Settings, name: str) -> AsyncIterator[Tour]:
    """The work of a relay that has just taken over, done step by step."""
    servers, topic = settings.kafka_bootstrap_servers, events_topic(settings)
    await create_topic(servers, topic, partitions=8, replicas=1)
    publisher = Publisher(servers, topic)
    await publisher.start()
    conn = await connect(settings, name)
    try:
        lease = await sequencer.acquire(conn, name, 0)
        assert lease is not None
        tour = Tour(conn, lease, publisher, await sequencer.state(conn), topic)
        await tour.recall()
        yield tour
    finally:
        await publisher.stop()
        await conn.close()


async def _publish_one_batch(tour: Tour, limit: int = 100) -> list[Any]:
    rows = await sequencer.number(tour.conn, tour.lease, limit)
    await tour._send(rows)
    return rows


@pytest.mark.parametrize("protected", [True, False])
async def test_a_relay_that_was_replaced_while_it_stood_still_moves_nothing(
    kafka_settings: Settings, pool: asyncpg.Pool, world: World, protected: bool
) -> None:
    await talk(world, 2)
    async with tour_of(kafka_settings, "old") as old:
        rows = await _publish_one_batch(old, 10)
        async with tour_of(kafka_settings, "new") as new:
            await new.catch_up()
            await new._note(await _publish_one_batch(new))
            if not protected:
                old.lease = RelayLease(new.lease.epoch)
                await old._note(rows)
            else:
                with pytest.raises(LeaseLost):
                    await old._note(rows)
                with pytest.raises(LeaseLost):
                    await sequencer.number(old.conn, old.lease, 10)
    async with pool.acquire() as conn:
        state = await sequencer.state(conn)
    assert (state.published == state.position) is protected


@pytest.mark.parametrize("protected", [True, False])
async def test_a_relay_killed_between_publishing_and_bookkeeping_loses_nothing(
    kafka_settings: Settings, pool: asyncpg.Pool, world: World, protected: bool
) -> None:
    """Without protection: it writes down first, is killed, and nobody publishes."""
    await talk(world, 2)
    async with tour_of(kafka_settings, "killed") as tour:
        await tour._note(await _publish_one_batch(tour))
        await talk(world, 2)
        if protected:
            await _publish_one_batch(tour)
        else:
            await tour._note(await sequencer.number(tour.conn, tour.lease, 100))
    async with running(kafka_settings, relay.work):
        if protected:
            await until(lambda: whole_on_the_bus(kafka_settings, pool))
        else:
            with pytest.raises(AssertionError, match="not within"):
                await until(lambda: whole_on_the_bus(kafka_settings, pool), 4)
    if protected:
        held = await on_the_bus(kafka_settings, pool)
        assert len(held) > len(set(held)), "what was not written down is published again"
    async with running(kafka_settings, projector.work):
        await level(pool)
    await demand_the_law(pool)


async def test_a_record_published_again_is_the_same_bytes(
    kafka_settings: Settings, pool: asyncpg.Pool, world: World
) -> None:
    await talk(world, 1)
    async with tour_of(kafka_settings, "one") as tour:
        rows = await _publish_one_batch(tour)
        again = await read.position_rows(tour.conn, after=0, upto=rows[-1]["position"])
    for first, second in zip(rows, again, strict=True):
        one, other = (wire.record_of(row, tour.log_id, 1) for row in (first, second))
        assert one == other


async def test_of_two_relays_one_works_and_the_other_takes_over_within_seconds(
    kafka_settings: Settings, pool: asyncpg.Pool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who stops releases its lease, which here would else last longer than the test."""
    monkeypatch.setattr(relay, "LEASE_SECONDS", 3_600.0)
    stop = asyncio.Event()
    relays = [relay.Relay(kafka_settings, name) for name in ("one", "two")]
    tasks = [asyncio.create_task(each.run(stop)) for each in relays]
    try:
        await until(lambda: any(each.active for each in relays))
        await talk(world, 2)
        await until(lambda: whole_on_the_bus(kafka_settings, pool))
        (first,) = (n for n, each in enumerate(relays) if each.active)
        tasks[first].cancel()
        await talk(world, 2)
        await until(lambda: relays[1 - first].active)
        await until(lambda: whole_on_the_bus(kafka_settings, pool))
    finally:
        stop.set()
        await asyncio.gather(*tasks, return_exceptions=True)
    held = await on_the_bus(kafka_settings, pool)
    assert len(held) == len(set(held))


@pytest.mark.parametrize("protected", [True, False])
async def test_a_relay_that_is_gone_without_a_word_is_replaced_when_its_lease_ends(
    kafka_settings: Settings,
    pool: asyncpg.Pool,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    protected: bool,
) -> None:
    monkeypatch.setattr(sequencer, "release", _without_a_word)
    if not protected:
        monkeypatch.setattr(relay, "LEASE_SECONDS", 3_600.0)
    stop = asyncio.Event()
    first, second = (relay.Relay(kafka_settings, name) for name in ("one", "two"))
    working = asyncio.create_task(first.run(stop))
    await until(lambda: first.active)
    standing_by = asyncio.create_task(second.run(stop))
    try:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await talk(world, 1)
        if protected:
            await until(lambda: whole_on_the_bus(kafka_settings, pool))
        else:
            with pytest.raises(AssertionError, match="not within"):
                await until(lambda: second.active, 6)
    finally:
        stop.set()
        await asyncio.gather(standing_by, return_exceptions=True)


async def _without_a_word(*_: object) -> None: ...


async def _elect_everybody(conn: asyncpg.Connection, *_: object) -> RelayLease:
    return RelayLease(await conn.fetchval("SELECT relay_epoch FROM crm.log"))


@pytest.mark.parametrize("protected", [True, False])
async def test_one_relay_works_at_a_time_however_many_there_are(
    kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch, world: World, protected: bool
) -> None:
    monkeypatch.setattr(relay, "LEASE_SECONDS", 3_600.0)  # none lapses on a slow machine
    if not protected:
        monkeypatch.setattr(sequencer, "acquire", _elect_everybody)
    stop = asyncio.Event()
    relays = [relay.Relay(kafka_settings, name) for name in ("one", "two", "three")]
    tasks = [asyncio.create_task(each.run(stop)) for each in relays]
    try:
        if protected:
            await until(lambda: any(each.active for each in relays))
            for _ in range(3):
                await talk(world, 1)
                assert sum(each.active for each in relays) == 1
        else:
            await until(lambda: all(each.active for each in relays))
    finally:
        stop.set()
        await asyncio.gather(*tasks)
