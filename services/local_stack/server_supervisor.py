"""The supervisor of servers, which starts a dead PostgreSQL or broker of the stack again."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from services.local_stack.child_process import StackError
from services.local_stack.regular_check import RegularCheck

CHECK_SECONDS = 0.5
FIRST_PAUSE_SECONDS = 0.5
MAX_PAUSE_SECONDS = 10.0
STEADY_SECONDS = 60.0
"""A server that ran as long as this has recovered: its failures are counted from zero again."""
MAX_FAILURES = 6


class SupervisedServer(Protocol):
    """A server with its process id, None while it does not run."""

    @property
    def pid(self) -> int | None: ...

    def start(self) -> None: ...


@dataclass(slots=True)
class ServerWatch:
    """A server with its displayed name. `describe_loss` says what was lost when it died."""

    name: str
    server: SupervisedServer
    describe_loss: Callable[[], str] = lambda: ""
    failures: int = 0
    started_at: float = field(default_factory=time.monotonic)
    start_at: float | None = None

    @property
    def has_given_up(self) -> bool:
        """True if the server failed so often in a row that it is not started again."""
        return self.failures > MAX_FAILURES

    def plan_start(self, now: float, reason: str) -> str:
        """Set the time of the next start, if there is one; return a message."""
        self.failures = 1 if now - self.started_at > STEADY_SECONDS else self.failures + 1
        if self.has_given_up:
            return f"{self.name} failed {self.failures} times in a row: {reason}"
        pause = min(FIRST_PAUSE_SECONDS * 2 ** (self.failures - 1), MAX_PAUSE_SECONDS)
        self.start_at = now + pause
        return f"{self.name} {reason}, starting it again in {pause:g} s"


class ServerSupervisor:
    """A thread that starts dead servers again; the pause grows with each failure in a row."""

    def __init__(self, watches: list[ServerWatch], notice: Callable[[str], None]) -> None:
        self._watches, self._notice = watches, notice
        self._regularly = RegularCheck(self._check_all, CHECK_SECONDS, "server supervisor")

    @property
    def failed(self) -> list[str]:
        """The servers that failed too often to be started again."""
        return [watch.name for watch in self._watches if watch.has_given_up]

    def start(self) -> None:
        self._regularly.start()

    def stop(self) -> None:
        """Stop; after this nothing is started."""
        self._regularly.stop()

    def _check_all(self) -> None:
        for watch in self._watches:
            self._check(watch)

    def _check(self, watch: ServerWatch) -> None:
        if watch.has_given_up or watch.server.pid is not None:
            return
        now = time.monotonic()
        if watch.start_at is None:
            loss = watch.describe_loss()
            self._notice(watch.plan_start(now, "ended unexpectedly"))
            if loss:
                self._notice(loss)
        elif now >= watch.start_at:
            self._start(watch)

    def _start(self, watch: ServerWatch) -> None:
        watch.start_at, watch.started_at = None, time.monotonic()
        try:
            watch.server.start()
        except (StackError, OSError) as error:
            reason = str(error).splitlines()[0]
            self._notice(watch.plan_start(time.monotonic(), f"did not start ({reason})"))
        else:
            self._notice(f"{watch.name} runs again")
