"""Worker processes build the same rows as a single process."""

import os
import signal
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from projections.engine.shard_history import UnsupportedEvent
from services.replay import replay
from services.runtime.settings import Settings
from tests.projections.engine.test_rebuild import make_history


async def test_workers_build_equal_tables_and_report_every_event(
    owner_settings: Settings, owner_pool: asyncpg.Pool
) -> None:
    await make_history(owner_pool)
    reports: list[tuple[int, int]] = []

    def progress(stage: str, done: int, whole: int) -> None:
        if stage == "events":
            reports.append((done, whole))

    async with (
        replay.start_workers(owner_settings, (), 2) as workers,
        replay.open_rebuild(owner_pool, (), progress, workers=workers) as work,
    ):
        verified = await work.verify()
        rebuilt = await work.rebuild(repair=False)
    events = await owner_pool.fetchval("SELECT count(*) FROM crm_events")
    assert verified.equal
    assert rebuilt.swapped
    assert verified.events == rebuilt.events == events
    assert reports[-1] == (events, events)


async def test_an_event_that_no_worker_can_fold_ends_the_rebuild_and_is_named(
    owner_settings: Settings, owner_pool: asyncpg.Pool
) -> None:
    world = await make_history(owner_pool)
    poison = world.new(world.engagement(uuid4()))
    await world.append(poison)
    await world.project()
    await owner_pool.execute("DELETE FROM crm.parked")
    async with (
        replay.start_workers(owner_settings, (), 2) as workers,
        replay.open_rebuild(owner_pool, (), lambda *_: None, workers=workers) as work,
    ):
        with pytest.raises(UnsupportedEvent, match=str(poison.id)):
            await work.verify()


@pytest.mark.kill
async def test_a_killed_worker_ends_the_rebuild_and_changes_no_live_table(
    owner_settings: Settings, owner_pool: asyncpg.Pool
) -> None:
    await make_history(owner_pool)
    before = await owner_pool.fetchval("SELECT count(*) FROM lead_scores")
    async with replay.start_workers(owner_settings, (), 2) as workers:
        for child in _children():
            os.kill(child, signal.SIGKILL)
        async with replay.open_rebuild(owner_pool, (), lambda *_: None, workers=workers) as work:
            with pytest.raises(BrokenProcessPool):
                await work.rebuild(repair=False)
    assert await owner_pool.fetchval("SELECT count(*) FROM lead_scores") == before


def _children() -> list[int]:
    """Return the ids of the worker processes of this process."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [
        int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
