"""The backlog: what is folded and not durable yet. One batch is being written, the rest waits.

The next batch is all that has gathered meanwhile: where the database is slower than folding, fewer
and larger transactions write each row once that many facts have changed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from projections.engine.apply import Batch, Folded
from projections.engine.working_set import Work

GATHER_EVENTS = 2_500
"""So many facts may wait behind the batch being written: then folding waits too."""


@dataclass(slots=True)
class _Writing:
    batch: Batch
    task: "asyncio.Task[None]"


class Backlog:
    """Of one working set. Only `open` lets a batch begin: rows are whole between folds only."""

    def __init__(self, work: Work, write: Callable[[Batch], Awaitable[None]]) -> None:
        self._work, self._write = work, write
        self._gathered: Folded | None = None
        self._writing: _Writing | None = None
        self._open = True
        self.folded = 0
        """Events ever gathered."""
        self.durable = 0
        """Of these, events that are written or given up."""

    def __len__(self) -> int:
        """How many events wait behind the batch being written."""
        return 0 if self._gathered is None else len(self._gathered.recorded_events)

    @property
    def writing(self) -> "asyncio.Task[None] | None":
        """The batch being written, or the one that failed."""
        return None if self._writing is None else self._writing.task

    def shut(self) -> None:
        """The rows are being folded: no batch begins."""
        self._open = False

    def gather(self, folded: Folded) -> None:
        """These facts are in the rows now: written as soon as nothing else is."""
        self._gathered = folded if self._gathered is None else self._gathered.joined(folded)
        self.folded += len(folded.recorded_events)
        self.open()

    def open(self) -> None:
        """The rows are whole."""
        self._open = True
        if self._writing is None:
            self._begin()

    async def room(self) -> None:
        """Wait until folding may go on. Raises what writing raised."""
        while self._writing and (len(self) >= GATHER_EVENTS or self._writing.task.done()):
            await self._writing.task

    async def drain(self) -> None:
        """Wait until nothing is left. Raises what writing raised: `withdraw` then."""
        while self._writing:
            await self._writing.task

    def withdraw(self) -> Folded | None:
        """Take back all that is not durable, in order, to begin again from where it began."""
        writing, self._writing = self._writing, None
        if writing is not None and not writing.task.cancel() and not writing.task.cancelled():
            writing.task.exception()  # seen: the event loop need not tell of it
        parts = [part for part in (writing and writing.batch.folded, self._gathered) if part]
        self._gathered, self._open = None, True
        return parts[0].joined(parts[1]) if len(parts) > 1 else next(iter(parts), None)

    def settled(self) -> None:
        """What was taken back is written in another way, or no longer this engine's business."""
        self.durable = self.folded

    def _begin(self) -> None:
        folded, self._gathered = self._gathered, None
        if folded is None:
            return
        batch = Batch(folded, self._work.take())
        task = asyncio.create_task(self._written(batch))
        self._writing = _Writing(batch, task)

    async def _written(self, batch: Batch) -> None:
        await self._write(batch)
        self.durable += len(batch.folded.recorded_events)
        self._writing = None
        if self._open:
            self._begin()
