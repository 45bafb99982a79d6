"""The event streams of this process: which session each follows, and when to read again.

One task polls for all streams with one query, so the load on the database does not grow with
their number. A stream that is woken reads its messages itself, under the row level security of its
own visitor.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from projections import session_marks
from services.api.problems import UNAVAILABLE_ERRORS, Problem
from services.api.reading import QueryRunner
from services.runtime.logging import get_logger
from services.runtime.settings import Settings

POLL_SECONDS = 0.5
MAX_STREAMS_PER_SESSION = 4
"""Enough for a visitor's browser tabs. More would let one visitor use up the process's limit."""
RETRY_SECONDS = 10
READ_ERRORS = (*UNAVAILABLE_ERRORS, asyncpg.PostgresError)
"""Errors after which a read is tried again."""

log = get_logger("listening")


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """The numbers of streams: of the process, and how many one property and one network can use.

    The last `reserve` streams of the process are only for properties and networks without any.
    """

    process: int
    per_property: int
    per_network: int
    reserve: int


def parse_stream_limits(settings: Settings) -> StreamLimits:
    """Return the numbers of streams of the settings. Every share is at least one stream."""
    process = settings.streams_per_process
    return StreamLimits(
        process,
        max(1, process * settings.streams_per_property_percent // 100),
        max(1, process * settings.streams_per_network_percent // 100),
        process * settings.streams_reserve_percent // 100,
    )


class Listener:
    """One event stream. `changed` is set when its session may have something new."""

    def __init__(self, session_id: UUID, property_id: UUID, network: str) -> None:
        self.session_id, self.property_id, self.network = session_id, property_id, network
        self.changed = asyncio.Event()
        self.mark: tuple[object, ...] | None = None


class SessionListeners:
    """All event streams of this process, within the limits."""

    def __init__(self, pool: asyncpg.Pool, limits: StreamLimits) -> None:
        self._pool, self._limits = pool, limits
        self._listeners: set[Listener] = set()
        self._streams_by_session: Counter[UUID] = Counter()
        self._streams_by_property: Counter[UUID] = Counter()
        self._streams_by_network: Counter[str] = Counter()
        self._has_listeners = asyncio.Event()
        self.ended = False

    def __len__(self) -> int:
        return len(self._listeners)

    def join(self, session_id: UUID, property_id: UUID, network: str) -> Listener:
        """Return a new listener. Raise 503 at a limit or during shutdown."""
        listener = Listener(session_id, property_id, network)
        if self._is_full(listener) or self.ended:
            raise Problem(
                503, "too_many_streams",
                f"the limit of event streams is reached: poll, or try again in {RETRY_SECONDS} s",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )  # fmt: skip
        self._listeners.add(listener)
        for counter, key in self._counters(listener):
            counter[key] += 1
        self._has_listeners.set()
        return listener

    def _is_full(self, listener: Listener) -> bool:
        """Return whether one more stream is above a limit."""
        of_property = self._streams_by_property[listener.property_id]
        of_network = self._streams_by_network[listener.network]
        is_first = not of_property and not of_network
        limits = self._limits
        return (
            len(self) >= limits.process - (0 if is_first else limits.reserve)
            or of_property >= limits.per_property
            or of_network >= limits.per_network
            or self._streams_by_session[listener.session_id] >= MAX_STREAMS_PER_SESSION
        )

    def _counters(self, listener: Listener) -> tuple[tuple[Counter[Any], Any], ...]:
        return (
            (self._streams_by_session, listener.session_id),
            (self._streams_by_property, listener.property_id),
            (self._streams_by_network, listener.network),
        )

    def leave(self, listener: Listener) -> None:
        """Remove a listener. A second call changes nothing.

        A stream has two ends: the generator's and the connection's. Both call this.
        """
        if listener not in self._listeners:
            return
        self._listeners.discard(listener)
        for counter, key in self._counters(listener):
            counter[key] -= 1
            if not counter[key]:
                del counter[key]
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
                log.warning("listening.failed", error=type(error).__name__, is_retry=True)
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
        query = session_marks.change_marks(list(self._streams_by_session))
        async with self._pool.acquire() as conn:
            return {row[0]: tuple(row[1:]) for row in await QueryRunner(conn).all(query)}
