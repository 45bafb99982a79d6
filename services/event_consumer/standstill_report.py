"""Report of a standstill: a consumer that cannot go on says so and names the table."""

import asyncio
import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass

import asyncpg

from events.log.error_text import describe_error
from projections.engine.pipeline import CheckpointGroup
from projections.engine.standstill import find_standstill
from services.runtime import metrics
from services.runtime.database import CONNECTION_ERRORS, TRANSACTION_ERRORS
from services.runtime.logging import get_logger

LOOK_SECONDS = 2.0
LOG_SECONDS = 60.0

log = get_logger("consumer")


@dataclass(slots=True)
class WriteFailure:
    """The last error of a write of this process, until a write succeeds.

    It is kept when the work of the process starts again after a fault of the database.
    """

    text: str | None = None

    def record(self, error: BaseException) -> str:
        """Keep the error, and return its description."""
        self.text = describe_error(error)
        return self.text

    def clear(self) -> None:
        self.text = None


LAST_FAILURE = WriteFailure()


class StandstillReport:
    """The check, the metric and the log lines of one consumer."""

    def __init__(
        self, pool: asyncpg.Pool, group: CheckpointGroup, read_shards: Callable[[], Collection[int]]
    ) -> None:
        self._pool, self._group, self._read_shards = pool, group, read_shards

    async def check(self) -> str | None:
        """Return what stands still and why. A check of /readyz."""
        problem, _ = await self._find()
        return problem

    async def run(self) -> None:
        """Set the metric until cancelled; log a standstill once a minute, and each new table."""
        loop = asyncio.get_running_loop()
        log_at, logged = 0.0, frozenset[str]()
        while True:
            problem, tables = None, frozenset[str]()
            # The watchdog reports a database that cannot be reached.
            with contextlib.suppress(*CONNECTION_ERRORS, *TRANSACTION_ERRORS):
                problem, tables = await self._find()
            if problem is not None and (loop.time() >= log_at or tables - logged):
                log.error("consumer.stands_still", problem=problem)
                log_at, logged = loop.time() + LOG_SECONDS, tables
            await asyncio.sleep(LOOK_SECONDS)

    async def _find(self) -> tuple[str | None, frozenset[str]]:
        """Return the problem and the tables that cannot be written; set the metric."""
        async with self._pool.acquire() as conn:
            standstill = await find_standstill(conn, self._group, self._read_shards())
        metrics.STANDSTILL.clear()
        if standstill is None:
            return None, frozenset()
        failure = LAST_FAILURE.text
        tables = frozenset(standstill.tables or (_table_in(failure, self._group),))
        for table in tables:
            metrics.STANDSTILL.labels(table).set(standstill.seconds)
        text = f"{standstill}; the last error: {failure}" if failure else str(standstill)
        return text, tables


def _table_in(failure: str | None, group: CheckpointGroup) -> str:
    """Return the first table that an error names, or `unknown`; the group if it has no tables."""
    names = (table.live_name for table in group.tables if table.live_name in (failure or ""))
    return next(names, "unknown" if group.tables else group.name)
