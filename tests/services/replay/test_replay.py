"""`crm replay` and `crm parked` with real servers."""

import asyncio
import json
from uuid import uuid4

import asyncpg
import pytest

from events.bus.read import Reader
from events.bus.topics import Topics
from events.bus.verify import VerifyingReader
from events.log import sequencer
from projections.engine import checkpoints
from projections.engine.projection_pipeline import ProjectionPipeline
from projections.engine.retry import retry_parked
from services.cli.main import FAILED, OK, run
from services.replay import replay
from services.runtime.settings import Settings
from tests.broker_offsets import report_offsets
from tests.conftest import until, use_database
from tests.process import running
from tests.world import make_world


async def count_on_bus(settings: Settings, pool: asyncpg.Pool) -> int:
    """Return how many events of this log the topic contains."""
    async with pool.acquire() as conn:
        log_id = (await sequencer.read_log_state(conn)).id
    topic = Topics.of(settings.topic_prefix).events
    reader = Reader(settings.kafka_bootstrap_servers, VerifyingReader(pool, topic, log_id))
    await reader.start()
    try:
        numbers = range(reader.partitions)
        return sum([len(page) for number in numbers async for page in reader.partition(number)])
    finally:
        await reader.stop()


def ignore_progress(_stage: str, _done: int, _total: int) -> None: ...


async def test_a_rebuild_from_the_bus_gives_the_same_rows_as_the_log(
    kafka_settings: Settings,
    pool: asyncpg.Pool,
    owner_pool: asyncpg.Pool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Read all events, also if the broker reports a wrong start and end of a partition."""
    world = await make_world(pool, properties=3)
    for property_id in world.properties:
        lead = uuid4()
        for event in (world.captured(lead), *world.chat(lead, 3), world.engagement(lead)):
            await world.append(world.new(event, property_id=property_id))

    async def published() -> bool:
        status = await replay.status(pool)
        return bool(status["position"]) and status["published"] == status["position"]

    async with running(kafka_settings, "relay"):
        await until(published)
    await world.project()
    async with replay.open_rebuild(owner_pool, [], ignore_progress, bus=kafka_settings) as rebuild:
        result = await rebuild.verify()
    assert result.equal
    assert result.events == 3 * 7 + 4
    report_offsets(monkeypatch, start=2, end=1)
    assert await count_on_bus(kafka_settings, pool) == 3 * 7 + 4
    assert (await replay.status(pool))["lag_events"] == 0


async def test_an_event_that_a_retry_has_applied_is_not_dropped(
    settings: Settings,
    pool: asyncpg.Pool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Drop during a retry: a rebuild would lack the event, while the live tables have it."""
    use_database(monkeypatch, settings)
    world, stray = await make_world(pool), uuid4()
    await world.append(world.new(world.engagement(uuid4()), event_id=stray))
    pipeline = (await world.project()).pipeline
    assert isinstance(pipeline, ProjectionPipeline)
    identity = pipeline.identity
    drop = ("parked", "drop", str(stray), "--reason", "sent by mistake", "--yes")
    async with pool.acquire() as conn:
        async with conn.transaction():
            shard = await conn.fetchval("DELETE FROM crm.parked RETURNING shard")
            owned = (identity.group.name, identity.group.version, identity.generation, [shard])
            await checkpoints.own(conn, *owned, "retry of parked events")
            dropping = asyncio.create_task(asyncio.to_thread(run, drop))
            await until(lambda: world.count("pg_locks WHERE NOT granted"))
        assert await dropping == 1
    assert "not parked any more" in capsys.readouterr().err
    assert await world.count("crm_events WHERE event_type = 'parked.dropped'") == 0


async def test_verify_counts_parked_events_as_a_difference_that_it_explains(
    database_url: str,
    owner_pool: asyncpg.Pool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Live and rebuilt rows both lack the event, so the tables alone seem to be equal."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    world = await make_world(owner_pool)
    await world.append(world.new(world.captured(first_name="Eve")))
    # No check of the core finds this constraint before the event is appended.
    await owner_pool.execute("ALTER TABLE leads ADD CONSTRAINT no_eve CHECK (first_name <> 'Eve')")
    pipeline = (await world.project()).pipeline
    assert isinstance(pipeline, ProjectionPipeline)
    identity = pipeline.identity

    async def verify(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = await asyncio.to_thread(run, ["replay", "verify", "--workers", "1", *arguments])
        output = capsys.readouterr()
        return code, output.out, output.err

    code, out, _ = await verify("--json")
    shown = json.loads(out)
    assert (code, shown["equal"], shown["parked"]) == (FAILED, False, 1)
    assert {table["result"] for table in shown["tables"]} == {"live = rebuilt"}
    code, _, err = await verify()
    assert code == FAILED
    assert "1 events are parked, so that the rows lack them: see `crm parked list`" in err
    await owner_pool.execute("ALTER TABLE leads DROP CONSTRAINT no_eve")
    shard = await owner_pool.fetchval("SELECT shard FROM crm.parked")
    assert (await retry_parked(owner_pool, identity, shard)).applied == 1
    code, out, _ = await verify("--json")
    shown = json.loads(out)
    assert (code, shown["equal"], shown["parked"]) == (OK, True, 0)
