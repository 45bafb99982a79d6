"""The restore drill: the log is restored from a backup while the bus keeps what came after it."""

import asyncio
from uuid import UUID

import asyncpg
import orjson
import pytest
from pydantic import SecretStr

from events.log import sequencer
from projections.catalog import LIVE
from projections.engine import checkpoints
from services.cli.main import FAILED, OK, run
from services.projector import projector
from services.relay import relay
from services.runtime.clock import Clock
from services.runtime.database import pooled
from services.runtime.health import Check, collect_problems
from services.runtime.metrics import REGISTRY
from services.runtime.settings import Settings
from tests.conftest import until
from tests.races.processes import (
    append_chats,
    assert_live_equals_rebuilt,
    events_topic,
    is_bus_complete,
    load_records,
    run_processes,
    wait_until_level,
)
from tests.world import World, make_world

pytestmark = pytest.mark.stack


async def copy_database(server_url: str, source: str, target: str) -> None:
    """Replace a database by a copy of another one, as a restore from a backup does."""
    conn = await asyncpg.connect(server_url)
    try:
        await conn.execute(f"DROP DATABASE IF EXISTS {target} WITH (FORCE)")
        await conn.execute(f"CREATE DATABASE {target} TEMPLATE {source} STRATEGY FILE_COPY")
    finally:
        await conn.close()


@pytest.fixture
def environment(
    kafka_settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let commands work as the owner of the database."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka_settings.kafka_bootstrap_servers)
    monkeypatch.setenv("CRM_TOPIC_PREFIX", kafka_settings.topic_prefix)
    monkeypatch.setenv("CRM_HOME", str(kafka_settings.home))


@pytest.mark.usefixtures("environment")
async def test_a_log_restored_from_a_backup_begins_a_generation(
    kafka_settings: Settings,
    server_url: str,
    database_url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    database = database_url.rpartition("/")[2]
    backup = f"{database}_backup"
    async with pooled(kafka_settings, "test", size=2) as pool:
        world = await make_world(pool, properties=3)
        async with run_processes(kafka_settings):
            kept = await append_chats(world, 1)
            await wait_until_level(pool)
    await copy_database(server_url, database, backup)
    async with pooled(kafka_settings, "test", size=2) as pool:
        world.pool = pool
        async with run_processes(kafka_settings):
            lost = await append_chats(world, 3)
            await wait_until_level(pool)
            await until(lambda: is_bus_complete(kafka_settings, pool))
    await copy_database(server_url, backup, database)

    async with pooled(kafka_settings, "test") as pool:
        world.pool = pool
        after = await refuse_to_number(kafka_settings, world, lost)
        await show_and_begin(capsys)
        assert await asyncio.to_thread(run, ["replay", "rebuild", "--all"]) == OK
        async with run_processes(kafka_settings):
            await wait_until_level(pool)
            await append_chats(world, 1)
            await wait_until_level(pool)
        assert await lead_ids(pool, kept, lost, after) == {kept, after}
        async with pool.acquire() as conn:
            state = await sequencer.read_log_state(conn)
        assert state.generation == 2
        generations = await read_generations(kafka_settings)
        assert generations[2] == list(range(1, state.position + 1))
    async with pooled(
        kafka_settings.model_copy(update={"database_url": SecretStr(database_url)}), "t", role=None
    ) as owner_pool:
        await assert_live_equals_rebuilt(owner_pool)


async def refuse_to_number(settings: Settings, world: World, lost: UUID) -> UUID:
    """Check that relay and projector give the restored log no new position and no lost row."""
    stop, checks = asyncio.Event(), dict[str, Check]()
    works = [work(settings, stop, checks, Clock()) for work in (relay.work, projector.work)]
    tasks = [asyncio.create_task(work) for work in works]
    try:
        after = await append_chats(world, 1)

        async def alarm() -> str | None:
            return (await collect_problems(checks)).get("relay")

        text = await until(alarm)
        assert "crm log begin-generation" in text
        assert REGISTRY.get_sample_value("crm_history_lost") == 1

        async def owns_shards() -> bool:
            return "shards" in checks and "shards" not in await collect_problems(checks)

        # The projector does not read the lost records again if its offsets are beyond them.
        await until(owns_shards)
    finally:
        stop.set()
        await asyncio.gather(*tasks)
    async with world.pool.acquire() as conn:
        assert await sequencer.has_unnumbered_rows(conn)
        assert await checkpoints.beyond_log(conn, LIVE.name) == []
    assert await lead_ids(world.pool, lost) == set()
    return after


async def show_and_begin(capsys: pytest.CaptureFixture[str]) -> None:
    """Begin the generation with the command, after a look that changes nothing."""
    capsys.readouterr()
    for begun, more in ((False, []), (True, ["--yes"])):
        arguments = ["log", "begin-generation", "--json", *more]
        assert await asyncio.to_thread(run, arguments) == OK
        shown = orjson.loads(capsys.readouterr().out)
        assert (shown["begun"], shown["history_lost"]) == (begun, True)
        assert (shown["generation"], shown["next_generation"]) == (1, 2)
        assert shown["bus_position"] > shown["position"]
    again = ["log", "begin-generation", "--yes", "--generation", "2"]
    assert await asyncio.to_thread(run, again) == FAILED
    assert "generation 2 cannot follow 2" in capsys.readouterr().err


async def lead_ids(pool: asyncpg.Pool, *leads: UUID) -> set[UUID]:
    """Return those of the leads that the tables contain."""
    rows = await pool.fetch("SELECT id FROM leads WHERE id = ANY($1::uuid[])", list(leads))
    return {row["id"] for row in rows}


async def read_generations(settings: Settings) -> dict[int, list[int]]:
    """Return generation → the positions of its records on the topic, sorted."""
    found = dict[int, set[int]]()
    records, _ = await load_records(settings, events_topic(settings))
    for record in records:
        document = orjson.loads(record.value)
        found.setdefault(document["generation"], set()).add(int(document["position"]))
    return {generation: sorted(positions) for generation, positions in found.items()}


@pytest.mark.usefixtures("environment")
async def test_tables_beyond_the_log_are_an_alarm_and_a_rebuild_repairs_them(
    kafka_settings: Settings,
    pool: asyncpg.Pool,
    owner_pool: asyncpg.Pool,
) -> None:
    """The log was restored without the tables, or a checkpoint was damaged."""
    world = await make_world(pool, properties=3)
    await append_chats(world, 1)
    stop, checks = asyncio.Event(), dict[str, Check]()
    async with run_processes(kafka_settings):
        await wait_until_level(pool)
    await owner_pool.execute("UPDATE crm.checkpoints SET position = 2^62")

    async def alarm() -> str | None:
        return (await collect_problems(checks)).get("log")

    task = asyncio.create_task(projector.work(kafka_settings, stop, checks, Clock()))
    try:
        text = await until(alarm)
        assert "crm replay rebuild --all" in text
        await until(lambda: REGISTRY.get_sample_value("crm_tables_beyond_log") == 64)
        assert await asyncio.to_thread(run, ["replay", "rebuild", "--all"]) == OK

        async def repaired() -> bool:
            return await alarm() is None

        await until(repaired)
        await until(lambda: REGISTRY.get_sample_value("crm_tables_beyond_log") == 0)
        async with run_processes(kafka_settings, relay.work):
            await append_chats(world, 1)
            await wait_until_level(pool)
    finally:
        stop.set()
        await task
    await assert_live_equals_rebuilt(owner_pool)
