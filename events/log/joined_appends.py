"""Plain appends of one process that come at the same time, joined into one statement.

A statement costs the process and the server more than the rows of most commands. So while
statements of a pool run, the appends that come wait, and the next statement appends all of them.
An append that finds no statement running is executed at once.
"""

import asyncio
from dataclasses import dataclass

import asyncpg

from events.log.connection import Connection
from events.log.plain_rows import PlainRows

MAX_STATEMENTS = 2
"""Statements of a pool that run at a time; further appends wait to be joined."""
MAX_JOINED = 16
"""Appends that one statement joins."""
LOCK_WAIT = "20ms"
"""Time that joined appends wait for a lock: one that is blocked must not hold up the others."""


@dataclass(eq=False)
class _Waiting:
    """An append that waits. Its outcome is the log generation; None: execute it alone."""

    conn: Connection
    rows: PlainRows
    outcome: asyncio.Future[int | None]
    statement: asyncio.Task[None] | None = None
    """The statement that uses the connection."""


class JoinedAppends:
    """The plain appends of one pool, whose connections have this object as `joined_appends`."""

    def __init__(self) -> None:
        self._running = 0
        self._waiting: list[_Waiting] = []

    async def execute(self, conn: Connection, rows: PlainRows) -> int | None:
        """Append the rows, if need be together with others; return what their own append returns.

        Whatever is wrong with others, these rows are then tried alone. Only a lost connection fails
        all appends of a statement, because nobody knows whether they were committed.
        """
        if self._running < MAX_STATEMENTS:
            self._running += 1
            try:
                return await rows.execute(conn)
            finally:
                self._end_statement()
        waiting = _Waiting(conn, rows, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        try:
            generation = await waiting.outcome
        except asyncio.CancelledError:
            if waiting.statement is not None:  # the connection is in use until its end
                await asyncio.wait([waiting.statement])
            raise
        return await rows.execute(conn) if generation is None else generation

    def _end_statement(self) -> None:
        self._running -= 1
        while self._waiting and self._running < MAX_STATEMENTS:
            joined, rows = self._take()
            if joined:
                self._running += 1
                task = asyncio.create_task(self._append(joined, rows), name="joined appends")
                joined[0].statement = task

    def _take(self) -> tuple[list[_Waiting], PlainRows]:
        """Remove the next appends that one statement can append; return them and their rows."""
        joined: list[_Waiting] = []
        later: list[_Waiting] = []
        rows = PlainRows()
        for item in self._waiting:
            if item.outcome.done():  # it was cancelled
                continue
            if len(joined) < MAX_JOINED and rows.can_join(item.rows):
                rows.add(item.rows)
                joined.append(item)
            else:
                later.append(item)
        self._waiting = later
        return joined, rows

    async def _append(self, joined: list[_Waiting], rows: PlainRows) -> None:
        """Append joined rows with the connection of the first."""
        conn = joined[0].conn
        generation: int | None = None
        lost: BaseException | None = asyncio.CancelledError()
        try:
            generation = await rows.execute(conn, LOCK_WAIT)
            lost = None
        except Exception as error:  # noqa: BLE001 — an edge: each append is tried alone
            # The server refused all of it, unless its answer is missing.
            lost = error if isinstance(error, TimeoutError) or _is_closed(conn) else None
        finally:
            self._end_statement()
            for item in joined:
                if item.outcome.done():  # it was cancelled
                    continue
                if lost is None:
                    item.outcome.set_result(generation)
                elif isinstance(lost, Exception):
                    item.outcome.set_exception(lost)
                else:
                    item.outcome.cancel()


def _is_closed(conn: Connection) -> bool:
    try:
        return conn.is_closed()
    except asyncpg.InterfaceError:  # the pool has taken it back
        return True
