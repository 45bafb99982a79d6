"""The age of the data in the tables, read once for all pages and event streams of this process."""

import asyncio
import time
from datetime import timedelta

import asyncpg

from projections.catalog import LIVE
from services.api.console.templating import render_template
from services.api.problems import UNAVAILABLE_ERRORS
from services.event_consumer.metrics import load_ages
from services.runtime.logging import get_logger

READ_SECONDS = 2.0
"""The time for which an age is used before it is read again."""
OLD_SECONDS = 10.0
"""Age of the oldest event that is not applied from which pages call their data old."""

log = get_logger("console")


class TableAge:
    """The age of the oldest event that the tables do not contain. Nothing is read unless asked."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool, self._lock = pool, asyncio.Lock()
        self._seconds, self._read_at = 0.0, -READ_SECONDS

    async def load(self) -> timedelta | None:
        """Return the age if the data is old, otherwise None; None also if it cannot be read."""
        async with self._lock:
            if time.monotonic() - self._read_at >= READ_SECONDS:
                await self._read()
        return timedelta(seconds=self._seconds) if self._seconds > OLD_SECONDS else None

    async def _read(self) -> None:
        try:
            async with self._pool.acquire() as conn:
                rows = await load_ages(conn, LIVE.name)
            self._seconds = max((row["seconds"] for row in rows), default=0.0)
        except (*UNAVAILABLE_ERRORS, asyncpg.PostgresError) as error:
            # The page itself says what cannot be read.
            log.warning("table_age.failed", error=type(error).__name__, is_retry=True)
            self._seconds = 0.0
        self._read_at = time.monotonic()


def render_age(age: timedelta | None, *, for_operator: bool) -> str:
    """Return the line at the top of a page whose data is old; nothing for current data."""
    return render_template("table_age.html", age=age, for_operator=for_operator).strip()
