"""Who listens to which session in this process; one task asks for all of them what is new."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from projections import conversations
from services.api.problems import AWAY, Problem
from services.runtime.logging import get_logger

POLL_SECONDS = 0.5
MOST_OF_A_SESSION = 4
"""A visitor's tabs. More would be one visitor taking the places of others."""
RETRY_SECONDS = 10
CUT = (*AWAY, DBAPIError)
"""The database did not answer; SQLAlchemy wraps some of that in its most general error."""

log = get_logger("listening")


class Listener:
    """One stream: `changed` is set when something may have happened in its session."""

    def __init__(self, session_id: UUID) -> None:
        self.session_id = session_id
        self.changed = asyncio.Event()
        self.mark: tuple[object, ...] | None = None


class Listening:
    """All streams of this process, at most `most`.

    What they share is the question whether anything is new, asked with one query for all sessions.
    What is new each reads itself, with its own caller's rights.
    """

    def __init__(self, engine: AsyncEngine, most: int) -> None:
        self._engine, self._most = engine, most
        self._listeners: set[Listener] = set()
        self._of_session: Counter[UUID] = Counter()
        self._anybody = asyncio.Event()
        self.ended = False

    def __len__(self) -> int:
        return len(self._listeners)

    def join(self, session_id: UUID) -> Listener:
        """Raises `Problem` where there is no place, or the process is about to stop."""
        full = len(self) >= self._most or self._of_session[session_id] >= MOST_OF_A_SESSION
        if full or self.ended:
            raise Problem(
                503, "too_many_streams", "there is no place for another stream: poll, or try later",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )  # fmt: skip
        listener = Listener(session_id)
        self._listeners.add(listener)
        self._of_session[session_id] += 1
        self._anybody.set()
        return listener

    def leave(self, listener: Listener) -> None:
        """Give the place back; a second time is nothing."""
        if listener not in self._listeners:
            return
        self._listeners.discard(listener)
        self._of_session[listener.session_id] -= 1
        if not self._of_session[listener.session_id]:
            del self._of_session[listener.session_id]
        if not self._listeners:
            self._anybody.clear()

    def end(self) -> None:
        """Let every stream end now: the process is about to stop."""
        self.ended = True
        for listener in self._listeners:
            listener.changed.set()

    async def run(self) -> None:
        """Ask what is new, for ever; asks nothing while nobody listens."""
        while True:
            await self._anybody.wait()
            try:
                self._tell(await self._marks())
            except CUT as error:
                log.warning("listening.failed", error=type(error).__name__)
            await asyncio.sleep(POLL_SECONDS)

    def _tell(self, marks: Mapping[UUID, tuple[object, ...]]) -> None:
        for listener in self._listeners:
            mark = marks.get(listener.session_id, ())
            if mark != listener.mark:
                listener.mark = mark
                listener.changed.set()

    async def _marks(self) -> dict[UUID, tuple[object, ...]]:
        async with self._engine.begin() as conn:
            rows = await conn.execute(conversations.marks(list(self._of_session)))
            return {row[0]: tuple(row[1:]) for row in rows}
