"""The event streams of this process: which session each follows, and when to read again.

One task polls for all streams with one query, so the load on the database does not grow with
their number. A stream that is woken reads its messages itself, under the row level security of its
own visitor.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from projections import session_marks
from services.api.problems import UNAVAILABLE_ERRORS, Problem
from services.runtime.logging import get_logger

POLL_SECONDS = 0.5
MAX_STREAMS_PER_SESSION = 4
"""Enough for a visitor's browser tabs. More would let one visitor use up the process's limit."""
RETRY_SECONDS = 10
READ_ERRORS = (*UNAVAILABLE_ERRORS, DBAPIError)
"""Errors after which a read is tried again. SQLAlchemy wraps some in its most general error."""

log = get_logger("listening")


class Listener:
    """One event stream. `changed` is set when its session may have something new."""

    def __init__(self, session_id: UUID) -> None:
        self.session_id = session_id
        self.changed = asyncio.Event()
        self.mark: tuple[object, ...] | None = None


class SessionListeners:
    """All event streams of this process, at most `max_streams`."""

    def __init__(self, engine: AsyncEngine, max_streams: int) -> None:
        self._engine, self._max_streams = engine, max_streams
        self._listeners: set[Listener] = set()
        self._streams_by_session: Counter[UUID] = Counter()
        self._has_listeners = asyncio.Event()
        self.ended = False

    def __len__(self) -> int:
        return len(self._listeners)

    def join(self, session_id: UUID) -> Listener:
        """Return a new listener. Raise 503 at a limit or during shutdown."""
        full = (
            len(self) >= self._max_streams
            or self._streams_by_session[session_id] >= MAX_STREAMS_PER_SESSION
        )
        if full or self.ended:
            raise Problem(
                503, "too_many_streams",
                f"the limit of event streams is reached: poll, or try again in {RETRY_SECONDS} s",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )  # fmt: skip
        listener = Listener(session_id)
        self._listeners.add(listener)
        self._streams_by_session[session_id] += 1
        self._has_listeners.set()
        return listener

    def leave(self, listener: Listener) -> None:
        """Remove a listener. A second call changes nothing.

        A stream has two ends: the generator's and the connection's. Both call this.
        """
        if listener not in self._listeners:
            return
        self._listeners.discard(listener)
        self._streams_by_session[listener.session_id] -= 1
        if not self._streams_by_session[listener.session_id]:
            del self._streams_by_session[listener.session_id]
        if not self._listeners:
            self._has_listeners.clear()

    def end(self) -> None:
        """End all streams, because the process stops."""
        self.ended = True
        for listener in self._listeners:
            listener.changed.set()

    async def run(self) -> None:
        """Poll for changes until cancelled. Without listeners, wait instead of polling."""
        while True:
            await self._has_listeners.wait()
            try:
                self._wake_changed(await self._read_marks())
            except READ_ERRORS as error:
                # Listeners keep their marks: a change during the outage wakes them afterwards.
                log.warning("listening.failed", error=type(error).__name__)
            await asyncio.sleep(POLL_SECONDS)

    def _wake_changed(self, marks: Mapping[UUID, tuple[object, ...]]) -> None:
        for listener in self._listeners:
            mark = marks.get(listener.session_id, ())
            if mark != listener.mark:
                # Stored before the wake-up: a change while the stream reads differs from this
                # mark, so it wakes the stream once more.
                listener.mark = mark
                listener.changed.set()

    async def _read_marks(self) -> dict[UUID, tuple[object, ...]]:
        """Return a value per session that changes with every message and every change of mode."""
        async with self._engine.begin() as conn:
            rows = await conn.execute(session_marks.change_marks(list(self._streams_by_session)))
            return {row[0]: tuple(row[1:]) for row in rows}
