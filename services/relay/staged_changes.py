"""The append of staged changes: what the host writes in SQL becomes events of the log.

Any relay process does this, with the relay lease or without it, so that personal values do not
stay in clear text while Kafka is unreachable. Only one process appends at a time.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NoReturn

import asyncpg

from events.log.append import append_staged
from events.log.locks import try_lock_name
from events.log.refused_changes import list_refused, retry_refused
from events.log.staged_backlog import StagedBacklog, read_backlog
from events.log.staged_changes import BATCH_ROWS, has_ready_changes
from services.runtime import metrics
from services.runtime.database import CONNECTION_ERRORS, TRANSACTION_ERRORS, connect
from services.runtime.logging import get_logger
from services.runtime.settings import Settings

STAGED_LOCK = "staged changes"
POLL_SECONDS = 0.005
"""Pause of the relay that publishes between two polls, while the host writes."""
AWAKE_SECONDS = 1.0
"""Time after the last change for which the host is taken to be writing."""
QUIET_POLL_SECONDS = 0.25
"""Pause of the relay that publishes while the host does not write.

The host's transactions announce nothing: a NOTIFY would make their commits wait for each other.
"""
STANDBY_SECONDS = 0.5
"""Pause between two polls of any other relay process."""
CHECK_SECONDS = 1.0
"""Time between two counts of the rows, for the metrics and the health check."""
RETRY_SECONDS = 1.0
RETRY_REFUSED_SECONDS = 60.0
"""Least time after which a refused change is tried again. Later it is the age of the change."""
MAX_RETRY_REFUSED_SECONDS = 3_600.0
MAX_AGE_SECONDS = 30.0
"""Age of the oldest staged change from which the process is not ready."""

log = get_logger("relay")


class StagedChangeWorker:
    """The loop that moves staged changes into the log; `check` reports changes that stay."""

    def __init__(
        self, settings: Settings, is_publishing: Callable[[], bool],
        on_appended: Callable[[], object] = bool,
    ) -> None:  # fmt: skip
        self.settings, self.is_publishing = settings, is_publishing
        self._on_appended = on_appended
        self.backlog = StagedBacklog(0, 0.0, 0)
        self._retry_at: dict[int, float] = {}
        """Number of a refused change → when it is tried again."""

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
                f"{backlog.refused} changes of the host's rows are refused, and later ones of the "
                f"same rows wait ({backlog.reason}): see `crm staged list`"
            )
        if backlog.seconds > MAX_AGE_SECONDS:
            return (
                f"{backlog.waiting} changes of the host's rows are not in the log, the oldest for "
                f"{backlog.seconds:.0f} s"
            )
        return None

    async def _work(self, conn: asyncpg.Connection) -> NoReturn:
        loop = asyncio.get_running_loop()
        check_at, awake_until = loop.time(), 0.0
        while True:
            moved = await self._move(conn)
            if moved:
                self._on_appended()
                awake_until = loop.time() + AWAKE_SECONDS
            if loop.time() >= check_at:
                await self._count(conn)
                await self._retry_refused(conn, loop.time())
                check_at = loop.time() + CHECK_SECONDS
            if moved < BATCH_ROWS:
                await asyncio.sleep(self._pause_seconds(is_awake=loop.time() < awake_until))

    def _pause_seconds(self, *, is_awake: bool) -> float:
        if not self.is_publishing():
            return STANDBY_SECONDS
        return POLL_SECONDS if is_awake else QUIET_POLL_SECONDS

    async def _retry_refused(self, conn: asyncpg.Connection, now: float) -> None:
        """Let refused changes be tried again when they are due: what refuses them may be gone."""
        refused = await list_refused(conn) if self.backlog.refused else []
        retry_at: dict[int, float] = {}
        for change in refused:
            age = (datetime.now(UTC) - change["staged_at"]).total_seconds()
            pause = min(max(age, RETRY_REFUSED_SECONDS), MAX_RETRY_REFUSED_SECONDS)
            retry_at[change["seq"]] = self._retry_at.get(change["seq"], now + pause)
        if due := [seq for seq, at in retry_at.items() if at <= now]:
            await retry_refused(conn, due)
        self._retry_at = {seq: at for seq, at in retry_at.items() if at > now}

    async def _move(self, conn: asyncpg.Connection) -> int:
        """Append one batch if there is one and no other process does it."""
        if not await has_ready_changes(conn):
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
        if self.backlog.refused:
            log.error("relay.staged_refused", problem=self.backlog.reason, is_retry=True)
