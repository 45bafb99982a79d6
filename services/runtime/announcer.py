"""Announcements of appends: sent after the commit, at most ten in a second by each pool."""

import asyncio
from contextlib import suppress
from typing import Any

import asyncpg
from asyncpg.transaction import Transaction

from events.log.announcements import ANNOUNCE, APPENDED
from events.log.joined_appends import JoinedAppends

QUIET_SECONDS = 0.1
"""Least time between two announcements. Those who were woken look for longer than this."""
TASK = "announcement"
"""The name of the task that sends one."""
SEND_ERRORS = (
    OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError,
)  # fmt: skip
"""Errors of an announcement, which is lost then."""


class Announcer:
    """The announcements of one pool. They are sent in a task, so no request waits for them."""

    def __init__(self, channel: str = APPENDED) -> None:
        self.sender: asyncpg.Pool | asyncpg.Connection | None = None
        """The pool or connection that sends them; without one none is sent."""
        self._channel = channel
        self._quiet_until = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        """The event loop itself holds a task only weakly."""

    def announce(self) -> None:
        """Announce, unless an announcement was sent a moment ago."""
        now = asyncio.get_running_loop().time()
        if self.sender is None or now < self._quiet_until:
            return
        self._quiet_until = now + QUIET_SECONDS
        task = asyncio.create_task(self._send(self.sender), name=TASK)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, sender: "asyncpg.Pool | asyncpg.Connection") -> None:
        with suppress(*SEND_ERRORS):
            await sender.execute(ANNOUNCE, self._channel)


class AnnouncingConnection(asyncpg.Connection):
    """A connection that announces the appends of its transactions after their commit."""

    announcer: Announcer | None = None
    joined_appends: JoinedAppends | None = None
    """The plain appends of the pool."""
    has_appended = False
    """True while the open transaction contains an append."""

    def note_append(self) -> None:
        """Announce an append: after the open transaction, at once without one."""
        if self.is_in_transaction():
            self.has_appended = True
        else:
            self.announce()

    def announce(self) -> None:
        """Announce an append that is committed."""
        if self.announcer is not None:
            self.announcer.announce()

    def transaction(
        self, *, isolation: Any = None, readonly: bool = False, deferrable: bool = False
    ) -> Transaction:
        """Return a transaction, or a savepoint within one."""
        return AnnouncingTransaction(self, isolation, readonly, deferrable)


class AnnouncingTransaction(Transaction):
    """A transaction that announces what was appended in it."""

    def __init__(self, conn: AnnouncingConnection, *options: Any) -> None:
        super().__init__(conn, *options)
        self._announcing = conn

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        """Commit, or roll back after an error."""
        try:
            await super().__aexit__(kind, error, trace)
        except BaseException:
            self._end(is_committed=False)
            raise
        self._end(is_committed=kind is None)

    async def commit(self) -> None:
        """Commit."""
        await super().commit()
        self._end(is_committed=True)

    async def rollback(self) -> None:
        """Roll back."""
        await super().rollback()
        self._end(is_committed=False)

    def _end(self, *, is_committed: bool) -> None:
        """Announce the appends at the end of the outermost transaction."""
        conn = self._announcing
        if conn.has_appended and (conn.is_closed() or not conn.is_in_transaction()):
            conn.has_appended = False
            if is_committed:
                conn.announce()
