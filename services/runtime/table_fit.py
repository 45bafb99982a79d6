"""The last result of the check whether the core's rows fit in the host's tables, for writers.

A row that does not fit parks its event. Every process that appends events asks here first, so that
the event stays with its producer until the host has mended the table.
"""

import asyncio

import asyncpg

from services.runtime.host_columns import find_column_problems

FIT_SECONDS = 5.0
"""Time for which a result without a problem is used: a busy process does not check each write."""
UNFIT_SECONDS = 0.5
"""The same for a result with a problem, so that writes succeed soon after the host mended it."""


class UnfitTables(Exception):
    """Tables of the host that cannot hold the core's rows; the message has the statements."""


class TableFit:
    """The fit of the host's tables as one process knows it. Its first use checks the database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool, self._lock = pool, asyncio.Lock()
        self._problems: tuple[str, ...] = ()
        self._valid_until = 0.0

    def forget(self) -> None:
        """Check at the next use: before an event that is rare, and must not be parked."""
        self._valid_until = 0.0

    async def require(self) -> None:
        """Raise `UnfitTables` while a table cannot hold the core's rows.

        Raise connection errors of the database. Call it without a connection of the pool.
        """
        if self._now() >= self._valid_until:
            async with self._lock:
                if self._now() >= self._valid_until:
                    await self._check()
        if self._problems:
            raise UnfitTables(
                "nothing is written, because the core cannot store its rows: "
                + "; ".join(self._problems)
            )

    async def _check(self) -> None:
        async with self._pool.acquire() as conn:
            self._problems = tuple(str(problem) for problem in await find_column_problems(conn))
        self._valid_until = self._now() + (UNFIT_SECONDS if self._problems else FIT_SECONDS)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
