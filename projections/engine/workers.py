"""Worker processes that fold one shard at a time: a single process uses a single core."""

import asyncio
import multiprocessing
import signal
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import aclosing
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from typing import Any, Self
from uuid import UUID

import asyncpg

from projections.engine import shadow_fold, shard_history
from projections.engine.projection_group import ProjectionGroup
from projections.engine.shadow_fold import FoldTarget
from projections.engine.shard_history import EventPages, ShardBounds, UnsupportedEvent
from projections.engine.working_set import PoisonEvent

REPORT_SECONDS = 0.1
"""Interval between two reports of the workers' progress."""


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """Functions with which a worker creates what it needs; all of them can be pickled."""

    group: Callable[[], ProjectionGroup]
    open_pool: Callable[[], Awaitable[asyncpg.Pool]]
    new_loop: Callable[[], asyncio.AbstractEventLoop]


class FoldWorkers:
    """A context manager that runs worker processes. Its method `fold` is a `HistoryFold`."""

    def __init__(self, count: int, setup: WorkerSetup) -> None:
        self.count = count
        # Forking a process with threads and open connections is not safe: start new ones.
        context = multiprocessing.get_context("spawn")
        self._folded: Synchronized[int] = context.Value("q", 0)
        self._stop = context.Event()
        self._executor = ProcessPoolExecutor(
            count, context, _start, (setup, self._folded, self._stop)
        )

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(self._executor, _wait_until_started)
                 for _ in range(self.count)]  # fmt: skip
        await asyncio.gather(*calls)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.to_thread(self._executor.shutdown, cancel_futures=True)

    async def fold(
        self, target: FoldTarget, bounds: ShardBounds, report: Callable[[int], None]
    ) -> None:
        """Fold shards, the longest first, and report the number of folded events.

        Raise `UnsupportedEvent`, and `BrokenProcessPool` if a worker was killed.
        """
        loop, reported = asyncio.get_running_loop(), self._folded.value
        pending: set[asyncio.Future[None]] = {
            loop.run_in_executor(
                self._executor, _fold, target.schema, target.skipped, shard, bounds[shard]
            )
            for shard in sorted(bounds, key=lambda shard: -bounds[shard])
            if bounds[shard]
        }
        try:
            while pending:
                done, pending = await asyncio.wait(
                    pending, timeout=REPORT_SECONDS, return_when=asyncio.FIRST_EXCEPTION
                )
                for future in done:
                    future.result()
                folded = self._folded.value
                report(folded - reported)
                reported = folded
        except BrokenProcessPool:
            # The executor's thread fails all futures and ends the other workers, but if one of the
            # futures is cancelled meanwhile, it stops halfway.
            await asyncio.gather(*pending, return_exceptions=True)
            raise
        finally:
            for future in pending:
                future.cancel()


class _StopRequest(Exception):
    """The main process has ended the fold."""


class _WorkerProcess:
    """The state that one worker process keeps between two shards."""

    def __init__(self, setup: WorkerSetup, folded: "Synchronized[int]", stop: Any) -> None:
        self.group, self.folded, self.stop = setup.group(), folded, stop
        self.runner = asyncio.Runner(loop_factory=setup.new_loop)
        self.pool = self.runner.run(_open_pool(setup))

    async def fold(self, target: FoldTarget, shard: int, upto: int) -> None:
        pages = self._read_pages(shard, upto)
        await shadow_fold.fold_into_shadow(self.pool, target, pages, self._count)

    async def _read_pages(self, shard: int, upto: int) -> EventPages:
        async with aclosing(shard_history.read_shard(self.pool, shard, upto)) as pages:
            async for page in pages:
                if self.stop.is_set():
                    raise _StopRequest
                yield page

    def _count(self, events: int) -> None:
        with self.folded.get_lock():
            self.folded.value += events


_worker: _WorkerProcess
"""The state of this process; an executor passes only arguments that can be pickled."""


def _start(setup: WorkerSetup, folded: "Synchronized[int]", stop: Any) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker = _WorkerProcess(setup, folded, stop)


async def _open_pool(setup: WorkerSetup) -> asyncpg.Pool:
    return await setup.open_pool()


def _wait_until_started() -> None:
    """Do nothing: a process runs this only after `_start`."""


def _fold(schema: str, skipped: Collection[UUID], shard: int, upto: int) -> None:
    target = FoldTarget(_worker.group, schema, skipped)
    try:
        _worker.runner.run(_worker.fold(target, shard, upto))
    except PoisonEvent as error:
        # `PoisonEvent` has the event as an attribute, which cannot be pickled.
        raise UnsupportedEvent(str(error)) from None
