"""A preview of a retry finds what the retry does, writes nothing and never waits long."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from projections.engine import retry_preview
from services.application import parked_events
from services.application.changed_rows import describe_preview
from services.cli.main import run
from services.runtime.settings import Settings
from tests.conftest import use_database
from tests.world import World, make_world

CONSTRAINT = "ALTER TABLE leads ADD CONSTRAINT no_eve CHECK (first_name <> 'Eve')"


@pytest.fixture
async def world(owner_pool: asyncpg.Pool) -> World:
    """Return a world with two parked events of one lead: the second waits behind the first."""
    world = await make_world(owner_pool)
    lead = uuid4()
    await owner_pool.execute(CONSTRAINT)
    await world.append(world.new(world.captured(lead, first_name="Eve")))
    await world.append(world.new(world.engagement(lead)))
    await world.project()
    assert await owner_pool.fetchval("SELECT count(*) FROM crm.parked") == 2
    return world


async def read_everything(world: World) -> list[list[asyncpg.Record]]:
    tables = ("crm.checkpoints", "crm.parked", "leads", "lead_engagement_events", "lead_scores")
    return [
        list(await world.pool.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")) for table in tables
    ]


async def test_an_event_that_is_refused_again_is_named_and_changes_nothing(world: World) -> None:
    before = await read_everything(world)
    preview = await parked_events.preview_retry(world.pool)
    assert (preview.result.applied, preview.result.still_parked) == (0, 2)
    assert [refused.reason for refused in preview.refused] == ["database", "behind"]
    assert not preview.rows
    assert not preview.is_partial
    assert await read_everything(world) == before


async def test_the_rows_are_those_that_the_retry_writes(world: World) -> None:
    await world.pool.execute("ALTER TABLE leads DROP CONSTRAINT no_eve")
    before = await read_everything(world)
    preview = await parked_events.preview_retry(world.pool)
    assert await read_everything(world) == before
    assert preview.result.applied == 2
    shown = describe_preview(preview)
    assert "Eve" not in str(shown), "personal values are hidden"
    result = await parked_events.retry_all(world.pool)
    assert (result.applied, result.still_parked) == (2, 0)
    for table in ("leads", "lead_engagement_events"):
        keys = {str(key) for key in await fetch_keys(world, table)}
        assert {row["key"] for row in shown["rows"] if row["table"] == table} == keys
        assert preview.tables[table] >= len(keys)


async def fetch_keys(world: World, table: str) -> list[UUID]:
    return [row["id"] for row in await world.pool.fetch(f"SELECT id FROM {table}")]


async def test_a_shard_that_is_locked_is_left_out_at_once(world: World) -> None:
    async with world.pool.acquire() as conn, conn.transaction():
        await conn.execute("SELECT FROM crm.checkpoints FOR UPDATE")
        async with asyncio.timeout(retry_preview.MAX_SECONDS):
            preview = await parked_events.preview_retry(world.pool)
    assert preview.is_partial
    assert preview.events == 0


async def test_many_events_are_tried_up_to_a_limit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry_preview, "MAX_EVENTS", 1)
    preview = await parked_events.preview_retry(world.pool)
    assert (preview.events, preview.is_partial) == (1, True)


async def test_the_command_line_shows_the_same(
    world: World,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    use_database(monkeypatch, settings)
    await world.pool.execute("ALTER TABLE leads DROP CONSTRAINT no_eve")
    before = await read_everything(world)
    assert await asyncio.to_thread(run, ("parked", "retry", "--dry-run")) == 0
    output = capsys.readouterr()
    assert "(personal, hidden)" in output.out
    assert "Eve" not in output.out
    assert "2 would be applied, 0 would stay parked" in output.err
    assert await read_everything(world) == before
