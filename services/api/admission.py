"""Admission of requests: a bounded number works at a time, others wait a bounded time, or get 503.

Without this bound, requests beyond the capacity would all be begun. Each would take longer than the
one before, until every client had given up, and the work for all of them would be for nothing.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar

from services.adapters.responder import Responder, ResponderReply, ResponderRequest
from services.api.problems import Problem

MAX_WORKING = 64
"""Requests of a process that work at the same time; more would only wait for each other."""
MAX_WAITING = 64
MAX_WAIT_SECONDS = 0.5
RETRY_SECONDS = 1


class RequestAdmission:
    """The requests of one process that work and that wait, the oldest first."""

    def __init__(self) -> None:
        self._free = MAX_WORKING
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def is_full(self) -> bool:
        """True if another request could not even wait."""
        return self._free <= 0 and len(self._waiting) >= MAX_WAITING

    async def begin(self) -> "Turn":
        """Return the turn of a request, after waiting for it if needed. Raise 503."""
        if self._free > 0:
            self._free -= 1
        else:
            await self._wait()
        return Turn(self)

    async def _wait(self) -> None:
        if self.is_full:
            raise overloaded()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            async with asyncio.timeout(MAX_WAIT_SECONDS):
                await future
        except (TimeoutError, asyncio.CancelledError) as error:
            if not future.cancelled():  # the turn came at the same moment
                self.give_back()
            if isinstance(error, TimeoutError):
                raise overloaded() from None
            raise
        finally:
            with suppress(ValueError):
                self._waiting.remove(future)

    def give_back(self) -> None:
        """Let the next request work."""
        while self._waiting and self._free >= 0:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
                return
        self._free += 1

    def take_back(self) -> None:
        """Count a request that works again without waiting for it: it was admitted before."""
        self._free -= 1


class Turn:
    """The right of one request to work, until `end`."""

    def __init__(self, admission: RequestAdmission) -> None:
        self._admission, self._is_working = admission, True

    def end(self) -> None:
        """Let the next request work. A second call changes nothing."""
        if self._is_working:
            self._is_working = False
            self._admission.give_back()

    @asynccontextmanager
    async def pause(self) -> AsyncIterator[None]:
        """Let another request work while this one waits for something outside of the process."""
        if not self._is_working:
            yield
            return
        self.end()
        try:
            yield
        finally:
            self._is_working = True
            self._admission.take_back()


CURRENT_TURN: ContextVar[Turn | None] = ContextVar("CURRENT_TURN", default=None)


@asynccontextmanager
async def waiting_elsewhere() -> AsyncIterator[None]:
    """Do not count the current request while it waits for the tables, or for a language model."""
    turn = CURRENT_TURN.get()
    if turn is None:
        yield
        return
    async with turn.pause():
        yield


class UncountedResponder:
    """A responder whose requests do not count while they wait for the reply."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder

    async def reply(self, request: ResponderRequest) -> ResponderReply:
        """Return the reply of the responder."""
        async with waiting_elsewhere():
            return await self._responder.reply(request)


def overloaded() -> Problem:
    """Return the refusal of a request that would wait too long."""
    return Problem(
        503, "overloaded", f"too many requests at the same time: try again in {RETRY_SECONDS} s",
        headers={"Retry-After": str(RETRY_SECONDS)},
    )  # fmt: skip
