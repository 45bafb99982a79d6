"""The interface of all contenders, and the count of the timers that one has done."""

import asyncio
import resource
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from events.log.connection import Connection
from services.runtime.settings import Settings

POLL_SECONDS = 0.1
"""Time between two looks of an idle worker, where the contender has such a setting."""
CONCURRENCY = 20
"""Jobs that a worker of another project runs at the same time, each with an own connection."""
CREATE_ROWS = "CREATE TABLE IF NOT EXISTS bench_rows (timer bigint NOT NULL)"
"""The table of the rows that the timers cause. No key: a timer that is done twice has two rows."""
INSERT_ROW = "INSERT INTO bench_rows (timer) VALUES ($1)"


class Timer(NamedTuple):
    """A timer: its number, and when it is due as seconds since 1970."""

    number: int
    due_at: float


class Tally:
    """The timers that were done, counted after their commit.

    Rate and CPU time are measured from the first commit on, so they contain no start of a worker.
    """

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.count = 0
        self.lateness: list[float] = []
        self.is_complete = asyncio.Event()
        self.last_at = time.monotonic()
        self._first_count = 0
        self._first_at = self._first_cpu = 0.0

    def add(self, due_at: Sequence[float]) -> None:
        """Count committed timers."""
        if not due_at:
            return
        now, self.last_at = time.time(), time.monotonic()
        self.count += len(due_at)
        self.lateness += [now - due for due in due_at]
        if not self._first_count:
            self._first_count = self.count
            self._first_at, self._first_cpu = self.last_at, _cpu_seconds()
        if self.count >= self.expected:
            self.is_complete.set()

    def result(self) -> dict[str, float]:
        """Return the number of timers after the first commit, with their seconds and CPU time."""
        return {
            "events": self.count - self._first_count,
            "seconds": self.last_at - self._first_at,
            "cpu_seconds": _cpu_seconds() - self._first_cpu,
        }


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class TimerQueue(Protocol):
    """A contender in an own database; its schema exists when it is opened."""

    tally: Tally
    """The count of the worker; another one replaces it between two measurements."""

    async def schedule(self, timers: Sequence[Timer]) -> None:
        """Set timers that cause one row each."""

    async def leave_dead_rows(self, count: int) -> None:
        """Leave what `count` timers that were done leave behind, before the others in order.

        It is made by statements for all rows at once, with the same changes of the same rows as
        those of the contender.
        """

    def working(self) -> AbstractAsyncContextManager[None]:
        """Run a worker in this process for the duration of a block."""

    async def count_rows(self, conn: Connection) -> tuple[int, int]:
        """Return how many timers have a row, and how many have more than one."""


class OpenQueue(Protocol):
    """The function that opens a contender."""

    def __call__(self, settings: Settings) -> AbstractAsyncContextManager[TimerQueue]:
        """Create the schema, and open the connections for the duration of a block."""


async def count_bench_rows(conn: Connection) -> tuple[int, int]:
    """Return the answer of `TimerQueue.count_rows` for rows in `bench_rows`."""
    row = await conn.fetchrow(
        "SELECT count(*), count(*) FILTER (WHERE rows > 1) "
        "FROM (SELECT count(*) AS rows FROM bench_rows GROUP BY timer) AS _"
    )
    return (0, 0) if row is None else (row[0], row[1])
