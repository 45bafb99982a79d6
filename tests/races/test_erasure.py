"""An erasure while relay and projector run: live tables equal rebuilt and replayed ones."""

from uuid import uuid4

import asyncpg
import pytest

from events.keys import store
from events.leads import LeadErased, LeadUpdated
from services.projector import projector
from services.runtime.settings import Settings
from tests.conftest import until
from tests.races.processes import (
    assert_live_equals_rebuilt,
    events_topic,
    is_bus_complete,
    load_records,
    recreate_topic,
    run_processes,
    wait_until_level,
)
from tests.replay_determinism.history import Tables, clear_tables, read_tables
from tests.world import World, make_world

pytestmark = pytest.mark.stack
NAME = "Lovelace of Oak Street"


async def append_person(world: World) -> LeadErased:
    """Append a lead with its chat; return the erasure of this person."""
    lead = uuid4()
    captured = world.captured(lead, email=f"{lead}@example.com", last_name=NAME)
    chat = world.chat(lead, 2)
    await world.append(*(world.new(event) for event in [captured, *chat]))
    session, conversation = chat[0].stream_id, chat[1].stream_id
    return LeadErased(
        lead_id=lead, reason="request", session_ids=(session,), conversation_ids=(conversation,)
    )


async def erase(world: World, erasure: LeadErased) -> None:
    """Append an erasure, destroy the keys, and append an event that comes later."""
    await world.append(world.new(erasure))
    assert await store.destroy_keys(world.pool, list(erasure.subjects)) == 3
    await world.append(world.new(LeadUpdated(lead_id=erasure.lead_id, last_name=NAME)))


async def rebuild_and_replay(
    settings: Settings, pool: asyncpg.Pool, owner_pool: asyncpg.Pool
) -> Tables:
    """Compare live tables with rebuilt ones and with two replays; return their rows."""
    await assert_live_equals_rebuilt(owner_pool)
    rows = await read_tables(pool)
    for _ in range(2):
        await clear_tables(owner_pool)
        async with run_processes(settings, projector.work):
            await wait_until_level(pool)
        assert await read_tables(pool) == rows
    return rows


async def test_tables_and_bus_are_equal_before_during_and_after_an_erasure(
    kafka_settings: Settings, pool: asyncpg.Pool, owner_pool: asyncpg.Pool
) -> None:
    world = await make_world(pool)
    people = [await append_person(world) for _ in range(3)]
    async with run_processes(kafka_settings):
        await wait_until_level(pool)
    before = await rebuild_and_replay(kafka_settings, pool, owner_pool)
    assert str(before).count(NAME) == 3
    async with run_processes(kafka_settings):
        for erasure in people[:2]:
            await erase(world, erasure)
            await append_person(world)
        await wait_until_level(pool)
        await recreate_topic(kafka_settings, 8)
        await append_person(world)
        await until(lambda: is_bus_complete(kafka_settings, pool))
        await wait_until_level(pool)
    after = await rebuild_and_replay(kafka_settings, pool, owner_pool)
    assert str(after).count(NAME) == 4, "one that was there and three that came later"
    records, _ = await load_records(kafka_settings, events_topic(kafka_settings))
    assert not any(NAME.encode() in (record.value or b"") for record in records)
