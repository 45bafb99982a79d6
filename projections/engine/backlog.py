"""The backlog: folded events that are not durable. One batch is written, the others wait.

The next batch is everything that was folded meanwhile. If the database is slower than folding,
there are fewer and larger transactions, and a row that changed many times is written once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from projections.engine.batch import FoldedEvents, WriteBatch
from projections.engine.working_set import WorkingSet

GATHER_EVENTS = 2_500
"""Events that may wait behind the batch being written; with more, folding waits too."""


@dataclass(slots=True)
class _ActiveWrite:
    batch: WriteBatch
    task: "asyncio.Task[None]"


class Backlog:
    """The folded events of one working set that are not durable.

    A batch takes its rows from the working set, so it may begin only between two folds: `pause`
    is called before a fold, `add` or `resume` after it.
    """

    def __init__(self, work: WorkingSet, write: Callable[[WriteBatch], Awaitable[None]]) -> None:
        self._work, self._write = work, write
        self._gathered: FoldedEvents | None = None
        self._active: _ActiveWrite | None = None
        self._is_paused = False
        self.folded = 0
        """Events ever added."""
        self.durable = 0
        """Those of `folded` that are written, or withdrawn and applied in another way."""

    def __len__(self) -> int:
        """Return the number of events that wait behind the batch being written."""
        return 0 if self._gathered is None else len(self._gathered.recorded_events)

    @property
    def writing(self) -> "asyncio.Task[None] | None":
        """Return the task that writes a batch, or the one that failed."""
        return None if self._active is None else self._active.task

    def pause(self) -> None:
        """Begin no batch: rows are being folded."""
        self._is_paused = True

    def add(self, folded: FoldedEvents) -> None:
        """Add events that are folded, and write them as soon as no batch is being written."""
        gathered = self._gathered
        self._gathered = folded if gathered is None else gathered.followed_by(folded)
        self.folded += len(folded.recorded_events)
        self.resume()

    def resume(self) -> None:
        """Allow a batch to begin: no fold is going on."""
        self._is_paused = False
        if self._active is None:
            self._begin()

    async def wait_for_room(self) -> None:
        """Wait while too many events are waiting. Raise the error of a failed write."""
        while self._active and (len(self) >= GATHER_EVENTS or self._active.task.done()):
            await self._active.task

    async def drain(self) -> None:
        """Wait until all is written. Raise the error of a failed write: then call `withdraw`."""
        while self._active:
            await self._active.task

    def withdraw(self) -> FoldedEvents | None:
        """Take back all events that are not durable, in order, with their first checkpoints."""
        active, self._active = self._active, None
        if active is not None and not active.task.cancel() and not active.task.cancelled():
            active.task.exception()  # mark it as retrieved, or the event loop logs it
        parts = [part for part in (active and active.batch.folded, self._gathered) if part]
        self._gathered, self._is_paused = None, False
        return parts[0].followed_by(parts[1]) if len(parts) > 1 else next(iter(parts), None)

    def mark_durable(self) -> None:
        """Count withdrawn events as durable: they were applied in another way, or released."""
        self.durable = self.folded

    def _begin(self) -> None:
        folded, self._gathered = self._gathered, None
        if folded is None:
            return
        batch = WriteBatch(folded, self._work.take_changes())
        self._active = _ActiveWrite(batch, asyncio.create_task(self._run(batch)))

    async def _run(self, batch: WriteBatch) -> None:
        await self._write(batch)
        self.durable += len(batch.folded.recorded_events)
        self._active = None
        if not self._is_paused:
            self._begin()
