"""Several relays, and relays that end at a bad moment: the bus becomes complete, in order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from events.bus import wire
from events.bus.digest import RecordDigest
from events.bus.publish import Publisher
from events.bus.topic_creation import create_topic
from events.log import read, sequencer
from events.log.sequencer import LeaseLost, RelayLease
from services.projector import projector
from services.relay import relay
from services.relay.run import RelayRun
from services.runtime.database import connect
from services.runtime.settings import Settings
from tests.conftest import until
from tests.races.processes import (
    append_chats,
    assert_live_equals_rebuilt,
    events_topic,
    is_bus_complete,
    load_bus_positions,
    run_processes,
    wait_until_level,
)
from tests.world import World, make_world

pytestmark = pytest.mark.stack


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool, properties=4)


@asynccontextmanager
async def start_relay_run(settings: Settings, name: str) -> AsyncIterator[RelayRun]:
    """Start a relay run whose steps the test does itself."""
    servers, topic = settings.kafka_bootstrap_servers, events_topic(settings)
    await create_topic(servers, topic, partitions=8, replicas=1)
    publisher = Publisher(servers, topic)
    await publisher.start()
    conn = await connect(settings, name)
    try:
        lease = await sequencer.acquire(conn, name, 0)
        assert lease is not None
        state = await sequencer.read_log_state(conn)
        run = RelayRun(
            conn, lease, publisher, state, await RecordDigest.load(conn, topic, state.id)
        )
        await run.recall()
        yield run
    finally:
        await publisher.stop()
        await conn.close()


async def _publish_one_batch(run: RelayRun, limit: int = 100) -> list[Any]:
    rows = await sequencer.assign_positions(run.conn, run.lease, limit)
    await run._send(rows)
    return rows


@pytest.mark.parametrize("protected", [True, False])
async def test_a_replaced_relay_cannot_save_or_number(
    kafka_settings: Settings, pool: asyncpg.Pool, world: World, protected: bool
) -> None:
    await append_chats(world, 2)
    async with start_relay_run(kafka_settings, "old") as old:
        rows = await _publish_one_batch(old, 10)
        async with start_relay_run(kafka_settings, "new") as new:
            await new.catch_up()
            await new._save_after(await _publish_one_batch(new))
            if not protected:
                old.lease = RelayLease(new.lease.epoch)
                await old._save_after(rows)
            else:
                with pytest.raises(LeaseLost):
                    await old._save_after(rows)
                with pytest.raises(LeaseLost):
                    await sequencer.assign_positions(old.conn, old.lease, 10)
    async with pool.acquire() as conn:
        state = await sequencer.read_log_state(conn)
    assert (state.published == state.position) is protected


@pytest.mark.parametrize("protected", [True, False])
@pytest.mark.kill
async def test_a_relay_killed_between_publishing_and_saving_loses_nothing(
    kafka_settings: Settings,
    pool: asyncpg.Pool,
    owner_pool: asyncpg.Pool,
    world: World,
    protected: bool,
) -> None:
    """The protection: the progress is saved after publishing, not before."""
    await append_chats(world, 2)
    async with start_relay_run(kafka_settings, "killed") as run:
        await run._save_after(await _publish_one_batch(run))
        await append_chats(world, 2)
        if protected:
            await _publish_one_batch(run)
        else:
            await run._save_after(await sequencer.assign_positions(run.conn, run.lease, 100))
    async with run_processes(kafka_settings, relay.work):
        if protected:
            await until(lambda: is_bus_complete(kafka_settings, pool))
        else:
            with pytest.raises(AssertionError, match="not true within"):
                await until(lambda: is_bus_complete(kafka_settings, pool), 4)
    if protected:
        positions = await load_bus_positions(kafka_settings, pool)
        assert len(positions) > len(set(positions)), "events not saved are published again"
    async with run_processes(kafka_settings, projector.work):
        await wait_until_level(pool)
    await assert_live_equals_rebuilt(owner_pool)


async def test_a_record_published_again_has_the_same_bytes(
    kafka_settings: Settings, pool: asyncpg.Pool, world: World
) -> None:
    await append_chats(world, 1)
    async with start_relay_run(kafka_settings, "one") as run:
        rows = await _publish_one_batch(run)
        again = await read.position_rows(run.conn, after=0, upto=rows[-1]["position"])
    for first, second in zip(rows, again, strict=True):
        published, republished = (
            wire.record_of(row, run.digest.log_id, 1) for row in (first, second)
        )
        assert published == republished


async def is_position_saved(pool: asyncpg.Pool) -> bool:
    is_saved: bool = await pool.fetchval("SELECT published = position FROM crm.log")
    return is_saved


async def test_a_standby_relay_takes_over_at_once_when_the_active_one_stops(
    kafka_settings: Settings, pool: asyncpg.Pool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relay that stops releases its lease, which here lasts longer than the test."""
    monkeypatch.setattr(relay, "LEASE_SECONDS", 3_600.0)
    stop = asyncio.Event()
    relays = [relay.Relay(kafka_settings, name) for name in ("one", "two")]
    tasks = [asyncio.create_task(relay_process.run(stop)) for relay_process in relays]
    try:
        await until(lambda: any(relay_process.active for relay_process in relays))
        await append_chats(world, 2)
        await until(lambda: is_bus_complete(kafka_settings, pool))
        # A relay that is stopped before it has saved its position publishes the same records again.
        await until(lambda: is_position_saved(pool))
        (first,) = (n for n, relay_process in enumerate(relays) if relay_process.active)
        tasks[first].cancel()
        await append_chats(world, 2)
        await until(lambda: relays[1 - first].active)
        await until(lambda: is_bus_complete(kafka_settings, pool))
    finally:
        stop.set()
        await asyncio.gather(*tasks, return_exceptions=True)
    positions = await load_bus_positions(kafka_settings, pool)
    assert len(positions) == len(set(positions))


@pytest.mark.parametrize("protected", [True, False])
async def test_a_relay_that_disappears_is_replaced_when_its_lease_ends(
    kafka_settings: Settings,
    pool: asyncpg.Pool,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    protected: bool,
) -> None:
    monkeypatch.setattr(sequencer, "release", _keep_lease)
    if not protected:
        monkeypatch.setattr(relay, "LEASE_SECONDS", 3_600.0)
    stop = asyncio.Event()
    first, second = (relay.Relay(kafka_settings, name) for name in ("one", "two"))
    working = asyncio.create_task(first.run(stop))
    await until(lambda: first.active)
    standby = asyncio.create_task(second.run(stop))
    try:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await append_chats(world, 1)
        if protected:
            await until(lambda: is_bus_complete(kafka_settings, pool))
        else:
            with pytest.raises(AssertionError, match="not true within"):
                await until(lambda: second.active, 6)
    finally:
        stop.set()
        await asyncio.gather(standby, return_exceptions=True)


async def _keep_lease(*_: object) -> None: ...


async def _give_lease_to_every_relay(conn: asyncpg.Connection, *_: object) -> RelayLease:
    return RelayLease(await conn.fetchval("SELECT relay_epoch FROM crm.log"))


@pytest.mark.parametrize("protected", [True, False])
async def test_only_one_of_several_relays_works_at_a_time(
    kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch, world: World, protected: bool
) -> None:
    monkeypatch.setattr(relay, "LEASE_SECONDS", 3_600.0)  # no lease ends on a slow machine
    if not protected:
        monkeypatch.setattr(sequencer, "acquire", _give_lease_to_every_relay)
    stop = asyncio.Event()
    relays = [relay.Relay(kafka_settings, name) for name in ("one", "two", "three")]
    tasks = [asyncio.create_task(relay_process.run(stop)) for relay_process in relays]
    try:
        if protected:
            await until(lambda: any(relay_process.active for relay_process in relays))
            for _ in range(3):
                await append_chats(world, 1)
                assert sum(relay_process.active for relay_process in relays) == 1
        else:
            # Relays that work at the same time may number the same row: the log refuses that.
            await until(
                lambda: (
                    sum(relay_process.active for relay_process in relays) > 1
                    or any(task.done() for task in tasks)
                )
            )
    finally:
        stop.set()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    refusals = [end for end in ends if end is not None]
    assert not (protected and refusals)
    assert all(isinstance(end, asyncpg.RestrictViolationError) for end in refusals)
