"""Folding in worker processes makes the rows that folding in one process makes."""

import os
import signal
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from projections.engine.refold import CannotFold
from services.replay import replay
from services.runtime.settings import Settings
from tests.projections.engine.test_rebuild import make_history


async def test_workers_fold_what_one_process_folds_and_tell_of_every_event(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    await make_history(pool)
    told: list[tuple[int, int]] = []

    def progress(stage: str, done: int, whole: int) -> None:
        if stage == "events":
            told.append((done, whole))

    async with (
        replay.workers(settings, (), 2) as workers,
        replay.rebuilding(pool, (), progress, workers=workers) as work,
    ):
        verified = await work.verify()
        rebuilt = await work.rebuild(repair=False)
    events = await pool.fetchval("SELECT count(*) FROM crm_events")
    assert verified.equal
    assert rebuilt.swapped
    assert verified.events == rebuilt.events == events
    assert told[-1] == (events, events)


async def test_a_fact_no_worker_can_fold_ends_the_rebuild_with_its_name(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    world = await make_history(pool)
    stray = world.new(world.engagement(uuid4()))
    await world.append(stray)
    await world.project()
    await pool.execute("DELETE FROM crm.parked")
    async with (
        replay.workers(settings, (), 2) as workers,
        replay.rebuilding(pool, (), lambda *_: None, workers=workers) as work,
    ):
        with pytest.raises(CannotFold, match=str(stray.id)):
            await work.verify()


async def test_a_killed_worker_ends_the_rebuild_and_leaves_the_live_tables_alone(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    await make_history(pool)
    before = await pool.fetchval("SELECT count(*) FROM lead_scores")
    async with replay.workers(settings, (), 2) as workers:
        for child in _children():
            os.kill(child, signal.SIGKILL)
        async with replay.rebuilding(pool, (), lambda *_: None, workers=workers) as work:
            with pytest.raises(BrokenProcessPool):
                await work.rebuild(repair=False)
    assert await pool.fetchval("SELECT count(*) FROM lead_scores") == before


def _children() -> list[int]:
    """The processes this one spawned that wait for work."""
    mine = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in mine if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
