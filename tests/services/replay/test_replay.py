"""`crm replay` and `crm parked` on real servers."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from events.bus.read import Reader
from events.bus.topics import Topics
from events.log import sequencer
from projections.engine import checkpoints
from services.cli.main import run
from services.replay import replay
from services.runtime.settings import Settings
from tests.broker_offsets import tell
from tests.conftest import until
from tests.process import running
from tests.world import make_world


async def read_from_the_bus(settings: Settings, pool: asyncpg.Pool) -> int:
    """How many events of this log the topic holds."""
    async with pool.acquire() as conn:
        log_id = (await sequencer.state(conn)).id
    topic = Topics.of(settings.topic_prefix).events
    reader = Reader(settings.kafka_bootstrap_servers, topic, log_id)
    await reader.start()
    try:
        numbers = range(reader.partitions)
        return sum([len(page) for number in numbers async for page in reader.partition(number)])
    finally:
        await reader.stop()


def silent(_stage: str, _done: int, _whole: int) -> None: ...


async def test_the_bus_gives_the_same_rows_as_the_log(
    kafka_settings: Settings, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read whole, too, whatever the broker tells of a partition's start and end."""
    world = await make_world(pool, properties=3)
    for property_id in world.properties:
        lead = uuid4()
        for event in (world.captured(lead), *world.chat(lead, 3), world.engagement(lead)):
            await world.append(world.new(event, property_id=property_id))

    async def published() -> bool:
        found = await replay.status(pool)
        return bool(found["position"]) and found["published"] == found["position"]

    async with running(kafka_settings, "relay"):
        await until(published)
    await world.project()
    async with replay.rebuilding(pool, [], silent, bus=kafka_settings) as work:
        outcome = await work.verify()
    assert outcome.equal
    assert outcome.events == 3 * 7 + 4
    tell(monkeypatch, start=2, end=1)
    assert await read_from_the_bus(kafka_settings, pool) == 3 * 7 + 4
    assert (await replay.status(pool))["lag_events"] == 0


async def test_a_fact_that_a_retry_has_just_applied_is_not_dropped(
    settings: Settings,
    pool: asyncpg.Pool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No rebuild would show it any more, while the live tables do."""
    monkeypatch.setenv("DATABASE_URL", settings.dsn)
    world, stray = await make_world(pool), uuid4()
    await world.append(world.new(world.engagement(uuid4()), event_id=stray))
    life = (await world.project()).life
    drop = ("parked", "drop", str(stray), "--reason", "nobody's", "--yes")
    async with pool.acquire() as conn:
        async with conn.transaction():
            shard = await conn.fetchval("DELETE FROM crm.parked RETURNING shard")
            held = (life.group.name, life.group.version, life.generation, [shard])
            await checkpoints.claim(conn, *held, "retry of parked events")
            dropping = asyncio.create_task(asyncio.to_thread(run, drop))
            await until(lambda: world.count("pg_locks WHERE NOT granted"))
        assert await dropping == 1
    assert "not parked any more" in capsys.readouterr().err
    assert await world.count("crm_events WHERE event_type = 'parked.dropped'") == 0
