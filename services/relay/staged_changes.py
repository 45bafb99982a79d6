"""The append of staged changes: what the host writes in SQL becomes events of the log.

Any relay process does this, with the relay lease or without it, so that personal values do not
stay in clear text while Kafka is unreachable. Only one process appends at a time.
"""

import asyncio
from collections.abc import Callable
from typing import NoReturn

import asyncpg

from events.log import staged_changes
from events.log.append import append_staged
from events.log.locks import try_lock_name
from events.log.staged_backlog import StagedBacklog, read_backlog
from events.log.staged_changes import BATCH_ROWS
from services.runtime import metrics
from services.runtime.database import CONNECTION_ERRORS, TRANSACTION_ERRORS, connect
from services.runtime.logging import get_logger
from services.runtime.settings import Settings

STAGED_LOCK = "staged changes"
POLL_SECONDS = 0.005
"""Pause between two polls of the relay that publishes. A NOTIFY in every write would cost more."""
STANDBY_SECONDS = 0.5
"""Pause between two polls of any other relay process."""
CHECK_SECONDS = 1.0
"""Time between two counts of the rows, for the metrics and the health check."""
RETRY_SECONDS = 1.0
RETRY_REFUSED_SECONDS = 60.0
MAX_AGE_SECONDS = 30.0
"""Age of the oldest staged change from which the process is not ready."""

log = get_logger("relay")


class StagedChangeWorker:
    """The loop that moves staged changes into the log; `check` reports changes that stay."""

    def __init__(self, settings: Settings, is_publishing: Callable[[], bool]) -> None:
        self.settings, self.is_publishing = settings, is_publishing
        self.backlog = StagedBacklog(0, 0.0, 0)

    async def run(self) -> NoReturn:
        """Append until cancelled. An unreachable database is tried again without end."""
        while True:
            try:
                conn = await connect(self.settings, "crm staged changes")
                try:
                    await self._work(conn)
                finally:
                    conn.terminate()
            except (*CONNECTION_ERRORS, *TRANSACTION_ERRORS) as error:
                log.warning("relay.staged_interrupted", error=error, is_retry=True)
                await asyncio.sleep(RETRY_SECONDS)

    async def check(self) -> str | None:
        """Return the problem if changes of the host stay, None if there is none."""
        backlog = self.backlog
        if backlog.refused:
            return (
                f"{backlog.refused} changes of the host's rows are refused by the log: look at "
                "crm.staged_changes.problem"
            )
        if backlog.seconds > MAX_AGE_SECONDS:
            return (
                f"{backlog.waiting} changes of the host's rows are not in the log, the oldest for "
                f"{backlog.seconds:.0f} s"
            )
        return None

    async def _work(self, conn: asyncpg.Connection) -> NoReturn:
        loop = asyncio.get_running_loop()
        check_at = loop.time()
        retry_at = loop.time() + RETRY_REFUSED_SECONDS
        while True:
            moved = await self._move(conn)
            if loop.time() >= check_at:
                await self._count(conn)
                check_at = loop.time() + CHECK_SECONDS
            if loop.time() >= retry_at:
                await staged_changes.retry_refused(conn)
                retry_at = loop.time() + RETRY_REFUSED_SECONDS
            if moved < BATCH_ROWS:
                await asyncio.sleep(POLL_SECONDS if self.is_publishing() else STANDBY_SECONDS)

    async def _move(self, conn: asyncpg.Connection) -> int:
        """Append one batch if there is one and no other process does it."""
        if not await staged_changes.has_rows(conn):
            return 0
        async with conn.transaction():
            if not await try_lock_name(conn, STAGED_LOCK):
                return 0
            return await append_staged(conn)

    async def _count(self, conn: asyncpg.Connection) -> None:
        self.backlog = await read_backlog(conn)
        metrics.STAGED.set(self.backlog.waiting)
        metrics.STAGED_SECONDS.set(self.backlog.seconds)
        metrics.STAGED_REFUSED.set(self.backlog.refused)
