"""Write access to the topic of events is not enough to change a table or to stop a shard."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest
from aiokafka import AIOKafkaProducer

from events.bus import verify
from events.bus.read import Reader
from events.bus.verify import VerifyingReader
from events.bus.wire import KafkaRecord
from events.log.secret_keys import rotate_secret_key
from events.log.shard import shard_of
from projections.catalog import LIVE
from projections.engine import checkpoints
from projections.engine.bus_source import BusSource
from projections.engine.rebuild import Rebuild
from projections.engine.shadow_fold import make_fold
from services.relay import relay
from services.runtime.metrics import REGISTRY
from services.runtime.settings import Settings
from services.workflows import workflows
from tests.conftest import until
from tests.races.processes import (
    append_chats,
    assert_live_equals_rebuilt,
    events_topic,
    is_bus_complete,
    run_processes,
    wait_until_level,
)
from tests.security.forgery import (
    FORGED_KEY_HASH,
    WITH_KEY,
    WITHOUT_KEY,
    Attacker,
    Forgery,
    Received,
    make_attacker,
)
from tests.services.application.workflow_harness import make_harness, wait
from tests.world import World, make_world

TOPIC = "crm.events"
HIGHEST = 2**63 - 1


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    world = await make_world(pool, properties=3)
    await append_chats(world, 1)
    return world


@pytest.fixture
async def attacker(pool: asyncpg.Pool, world: World) -> Attacker:
    await world.number()
    return await make_attacker(pool, TOPIC)


@pytest.fixture
def reader(pool: asyncpg.Pool, attacker: Attacker) -> VerifyingReader:
    return VerifyingReader(pool, TOPIC, attacker.state.id)


async def test_every_record_of_the_relay_is_believed(
    reader: VerifyingReader, attacker: Attacker
) -> None:
    batch = await reader.read([Received(*record) for record in attacker.genuine])
    assert [record.position for record in batch.records] == [
        row["position"] for row in attacker.rows
    ]
    assert not batch.refused


@pytest.mark.parametrize(
    ("reason", "forge"),
    [*WITHOUT_KEY.values(), *WITH_KEY.values()],
    ids=[*WITHOUT_KEY, *(f"signed: {name}" for name in WITH_KEY)],
)
async def test_a_forged_record_is_refused_and_the_others_of_its_batch_are_not(
    reader: VerifyingReader, attacker: Attacker, reason: str, forge: Forgery
) -> None:
    first, *_, last = attacker.genuine
    batch = await reader.read([Received(*r) for r in (first, forge(attacker), last)])
    assert batch.refused == {reason: 1}
    assert [record.position for record in batch.records] == [
        attacker.rows[0]["position"], attacker.rows[-1]["position"],
    ]  # fmt: skip


async def test_a_record_without_key_value_and_headers_is_refused(reader: VerifyingReader) -> None:
    assert (await reader.read([Received(None, None, [])])).refused == {"no_digest": 1}


@pytest.mark.parametrize("other", ["topic", "log"])
async def test_a_record_of_another_topic_or_log_is_refused(
    pool: asyncpg.Pool, attacker: Attacker, other: str
) -> None:
    log_id = uuid4() if other == "log" else attacker.state.id
    reader = VerifyingReader(pool, "other.events" if other == "topic" else TOPIC, log_id)
    batch = await reader.read([Received(*attacker.genuine[-1])])
    assert (batch.records, batch.refused) == ([], {"wrong_digest": 1})


async def test_after_a_rotation_records_of_both_keys_are_believed_until_the_overlap_ends(
    pool: asyncpg.Pool,
    reader: VerifyingReader,
    attacker: Attacker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = Received(*attacker.genuine[-1])
    await reader.read([old])
    async with pool.acquire() as conn:
        await rotate_secret_key(conn, "record_digest", timedelta(hours=1))
    new = Received(*(await make_attacker(pool, TOPIC)).genuine[-1])
    assert new.headers != old.headers
    assert new[:2] == old[:2]
    monkeypatch.setattr(verify, "UNKNOWN_KEY_SECONDS", 0.0)
    assert len((await reader.read([old, new])).records) == 2
    async with pool.acquire() as conn:
        await rotate_secret_key(conn, "record_digest", timedelta())
    monkeypatch.setattr(verify, "KEY_SECONDS", 0.0)
    assert (await reader.read([old, new])).refused == {"unknown_key": 2}


async def test_invented_key_ids_do_not_make_the_reader_ask_the_database_each_time(
    pool: asyncpg.Pool, reader: VerifyingReader, attacker: Attacker
) -> None:
    _, forge = WITHOUT_KEY["an unknown key id"]
    await reader.read([Received(*attacker.genuine[-1])])
    async with pool.acquire() as conn:
        await rotate_secret_key(conn, "record_digest", timedelta())
    # Were the keys loaded again now, the genuine record would be refused too.
    batch = await reader.read([Received(*forge(attacker)), Received(*attacker.genuine[-1])])
    assert batch.refused == {"unknown_key": 1}


@pytest.fixture
async def producer(kafka_settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(
        bootstrap_servers=kafka_settings.kafka_bootstrap_servers, acks="all"
    ) as started:
        yield started


async def send(producer: AIOKafkaProducer, topic: str, *records: KafkaRecord) -> None:
    """Send records to the partition of their property, in order."""
    for key, value, headers in records:
        await producer.send_and_wait(topic, value, key, headers=headers)


def refused(reason: str) -> float:
    return REGISTRY.get_sample_value("crm_records_refused_total", {"reason": reason}) or 0.0


@pytest.mark.stack
async def test_forged_records_change_no_row_and_stop_no_shard(
    kafka_settings: Settings,
    pool: asyncpg.Pool,
    owner_pool: asyncpg.Pool,
    world: World,
    producer: AIOKafkaProducer,
    until: Callable[..., Any],
) -> None:
    """A forged row, a forged widget key, the highest position, and old records once more."""
    topic, before = events_topic(kafka_settings), refused("no_digest")
    async with run_processes(kafka_settings):
        await wait_until_level(pool)
        attacker = await make_attacker(pool, topic)
        payload = '{"lead_id": "%s", "source": "x", "first_name": "Forged"}' % (lead := uuid4())
        for property_id in world.properties:
            forged = [
                attacker.forge_next(
                    property_id,
                    event_type="lead.captured", schema_version=1, entity_type="lead", version=1,
                    entity_id=lead, lead_id=lead, payload=payload,
                ),
                attacker.forge_widget_key(property_id),
                attacker.forge_next(property_id, position=HIGHEST),
                attacker.forge_next(property_id, position=HIGHEST, previous=0),
                *attacker.genuine,
            ]  # fmt: skip
            await send(producer, topic, *forged)
        count = 4 * len(world.properties)
        await until(lambda: refused("no_digest") >= before + count)
        await append_chats(world, 2)
        await wait_until_level(pool)
    assert await pool.fetchval("SELECT count(*) FROM leads WHERE first_name = 'Forged'") == 0
    query = "SELECT count(*) FROM crm_state.widget_keys WHERE key_hash = $1"
    assert await pool.fetchval(query, FORGED_KEY_HASH) == 0
    await assert_live_equals_rebuilt(owner_pool)


@pytest.mark.stack
async def test_a_forged_trigger_event_starts_no_run(
    kafka_settings: Settings, pool: asyncpg.Pool, producer: AIOKafkaProducer
) -> None:
    """Policies check the digest too. A genuine event behind the forged one starts its run."""
    harness = await make_harness(pool)
    harness.world.now = datetime.now(UTC)
    await harness.create_workflow(wait("rest", 1_000))
    topic, before = events_topic(kafka_settings), refused("no_digest")
    async with run_processes(kafka_settings, relay.work, workflows.work):
        await harness.create_lead()
        await until(lambda: has_runs(harness.world, 1))
        attacker = await make_attacker(pool, topic)
        lead = uuid4()
        forged = attacker.forge_next(
            harness.property_id, event_type="lead.captured", schema_version=2, entity_type="lead",
            version=1, entity_id=lead, lead_id=lead,
            payload=orjson.dumps({"lead_id": str(lead), "source": "x"}).decode(),
        )  # fmt: skip
        await send(producer, topic, forged)
        await until(lambda: refused("no_digest") > before)
        await harness.create_lead()
        await until(lambda: has_runs(harness.world, 2))
    assert await harness.world.count("crm.policy_failures") == 0


async def has_runs(world: World, count: int) -> bool:
    return await world.count("crm_events WHERE event_type = 'run.enrolled'") == count


@pytest.mark.stack
async def test_a_rebuild_from_the_bus_ignores_forged_records(
    kafka_settings: Settings,
    pool: asyncpg.Pool,
    owner_pool: asyncpg.Pool,
    world: World,
    producer: AIOKafkaProducer,
    until: Callable[..., Any],
) -> None:
    topic = events_topic(kafka_settings)
    async with run_processes(kafka_settings):
        await wait_until_level(pool)
        await until(lambda: is_bus_complete(kafka_settings, pool))
    attacker = await make_attacker(pool, topic)
    forgeries = [forge(attacker) for _, forge in WITHOUT_KEY.values()]
    forgeries += map(attacker.forge_widget_key, world.properties)
    await send(producer, topic, *forgeries)
    reader = Reader(
        kafka_settings.kafka_bootstrap_servers,
        VerifyingReader(owner_pool, topic, attacker.state.id),
    )
    await reader.start()
    try:
        source = BusSource(owner_pool, reader, attacker.state.generation)
        fold = make_fold(owner_pool, source.histories)
        outcome = await Rebuild(owner_pool, LIVE, LIVE, fold, lambda *_: None).verify()
    finally:
        await reader.stop()
    assert outcome.equal
    assert source.missing == 0


@pytest.mark.stack
async def test_a_rotation_without_overlap_loses_no_event(
    kafka_settings: Settings,
    pool: asyncpg.Pool,
    owner_pool: asyncpg.Pool,
    world: World,
) -> None:
    async with run_processes(kafka_settings):
        await wait_until_level(pool)
        async with pool.acquire() as conn:
            await rotate_secret_key(conn, "record_digest", timedelta())
        await append_chats(world, 2)
        await wait_until_level(pool)
    await assert_live_equals_rebuilt(owner_pool)


async def test_a_record_of_a_lost_history_does_not_move_a_checkpoint_beyond_the_log(
    pool: asyncpg.Pool, world: World, attacker: Attacker, reader: VerifyingReader
) -> None:
    """The relay itself signed it, before the log was restored from a backup."""
    engine = await world.project()
    shard = shard_of(world.properties[0])
    position = engine._owned.checkpoints[shard].position
    lost = attacker.forge(
        attacker.digest, property_id=world.properties[0], shard=shard, previous=position,
        position=attacker.state.position + 1,
    )  # fmt: skip
    batch = await reader.read([Received(*lost)])
    assert len(batch.records) == 1
    await engine.apply(batch.records)
    await engine.flush()
    assert engine.counts.refused == {"beyond_log": 1}
    async with pool.acquire() as conn:
        assert (await checkpoints.positions(conn, LIVE.name))[shard] == position
        assert await checkpoints.beyond_log(conn, LIVE.name) == []
