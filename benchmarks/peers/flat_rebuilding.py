"""Measurement of a rebuild of the flat table by the core: fold, index, compare, swap."""

import os
import time
from functools import partial

import asyncpg

from benchmarks.peers.flat_table import FLAT
from projections.engine.projection_group import ProjectionGroup
from projections.engine.rebuild import Rebuild
from projections.engine.workers import FoldWorkers, WorkerSetup
from services.runtime.database import open_pool, pooled
from services.runtime.garbage_collection import collect_rarely
from services.runtime.process import loop_factory
from services.runtime.settings import Settings


async def flat_rebuild(settings: Settings) -> dict[str, float]:
    """Measure a rebuild with one worker for each core, without the start of the workers."""
    collect_rarely()
    setup = WorkerSetup(_group, partial(_open_worker_pool, settings), loop_factory())
    async with (
        pooled(settings, "bench rebuild", role=None) as pool,
        FoldWorkers(os.cpu_count() or 1, setup) as workers,
    ):
        started = time.perf_counter()
        rebuild = Rebuild(pool, FLAT, FLAT, workers.fold, lambda *_: None)
        result = await rebuild.rebuild(repair=False)
        seconds = time.perf_counter() - started
    if not (result.swapped and result.equal):
        raise RuntimeError(f"the rebuilt rows differ: {result.comparisons}")
    return {"seconds": seconds}


def _group() -> ProjectionGroup:
    return FLAT


async def _open_worker_pool(settings: Settings) -> asyncpg.Pool:
    collect_rarely()
    return await open_pool(settings, "bench rebuild worker", size=2, role=None)
