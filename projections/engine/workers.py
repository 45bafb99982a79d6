"""Folding in processes of their own, a shard at a time: one process keeps one core busy."""

import asyncio
import multiprocessing
import signal
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ProcessPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from typing import Any, Self
from uuid import UUID

import asyncpg

from projections.engine import refold
from projections.engine.projection_group import ProjectionGroup
from projections.engine.refold import Bounds, CannotFold, Pages, Target
from projections.engine.working_set import Poison

LOOK_SECONDS = 0.1
"""How often workers' progress is told."""


@dataclass(frozen=True, slots=True)
class Start:
    """How a worker makes what it needs; all of it can be pickled."""

    group: Callable[[], ProjectionGroup]
    open_pool: Callable[[], Awaitable[asyncpg.Pool]]
    new_loop: Callable[[], asyncio.AbstractEventLoop]


class Workers:
    """Processes that fold; enter it to start them, leave it to end them. `fold` is a `Folder`."""

    def __init__(self, count: int, start: Start) -> None:
        self.count = count
        context = multiprocessing.get_context("spawn")
        self._folded: Synchronized[int] = context.Value("q", 0)
        self._stop = context.Event()
        self._executor = ProcessPoolExecutor(
            count, context, _begin, (start, self._folded, self._stop)
        )

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(self._executor, _ready) for _ in range(self.count)]
        await asyncio.gather(*calls)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.to_thread(self._executor.shutdown, cancel_futures=True)

    async def fold(self, target: Target, bounds: Bounds, folded: Callable[[int], None]) -> None:
        """Raises `CannotFold`, and `BrokenProcessPool` where a worker was killed."""
        loop, told = asyncio.get_running_loop(), self._folded.value
        waiting: set[asyncio.Future[None]] = {
            loop.run_in_executor(
                self._executor, _fold, target.schema, target.skipped, shard, bounds[shard]
            )
            for shard in sorted(bounds, key=lambda shard: -bounds[shard])
            if bounds[shard]
        }
        try:
            while waiting:
                done, waiting = await asyncio.wait(
                    waiting, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_EXCEPTION
                )
                for future in done:
                    future.result()
                count = self._folded.value
                folded(count - told)
                told = count
        finally:
            for future in waiting:
                future.cancel()


class _Stopped(Exception):
    """The process that asked for this does not want it any more."""


class _Worker:
    """What one process holds between shards."""

    def __init__(self, start: Start, told: "Synchronized[int]", stop: Any) -> None:
        self.group, self.told, self.stop = start.group(), told, stop
        self.runner = asyncio.Runner(loop_factory=start.new_loop)
        self.pool = self.runner.run(_opened(start))

    async def fold(self, target: Target, shard: int, upto: int) -> None:
        await refold.refold(self.pool, target, self._pages(shard, upto), self._folded)

    async def _pages(self, shard: int, upto: int) -> Pages:
        async with aclosing(refold.from_log(self.pool, shard, upto)) as pages:
            async for page in pages:
                if self.stop.is_set():
                    raise _Stopped
                yield page

    def _folded(self, count: int) -> None:
        with self.told.get_lock():
            self.told.value += count


_worker: _Worker


def _begin(start: Start, told: "Synchronized[int]", stop: Any) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker = _Worker(start, told, stop)


async def _opened(start: Start) -> asyncpg.Pool:
    return await start.open_pool()


def _ready() -> None:
    """Only a process that has begun comes here."""


def _fold(schema: str, skipped: Collection[UUID], shard: int, upto: int) -> None:
    try:
        _worker.runner.run(_worker.fold(Target(_worker.group, schema, skipped), shard, upto))
    except Poison as error:
        raise CannotFold(str(error)) from None
