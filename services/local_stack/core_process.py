"""One process of the core: start it, restart it after a crash, and stop it."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from services.local_stack.child_process import (
    StackError,
    has_ended,
    kill,
    last_lines,
    spawn,
    stop,
    take_exit_code,
    wait_until,
)
from services.local_stack.ports import HOST
from services.runtime.process import OPERATOR, UNREACHABLE, WRONG_SETTINGS

READY_SECONDS = 60.0
READY_REQUEST_SECONDS = 5
STOP_SECONDS = 20.0
FIRST_PAUSE_SECONDS = 0.2
MAX_PAUSE_SECONDS = 10.0
STEADY_SECONDS = 60.0
"""A process that ran as long as this has recovered: its crashes are counted from zero again."""
MAX_CRASHES = 6


@dataclass(slots=True)
class CoreProcess:
    """A process with its health port, log and command; hold `lock` to start or stop it."""

    name: str
    port: int
    log: Path
    env: Mapping[str, str]
    command: tuple[str, ...]
    pid: int | None = None
    should_run: bool = False
    crashes: int = 0
    started: float = 0.0
    restart_at: float | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def is_running(self) -> bool:
        return self.pid is not None and not has_ended(self.pid)

    @property
    def has_given_up(self) -> bool:
        """True if it crashed so often in a row that it is not started again."""
        return self.crashes > MAX_CRASHES

    def start(self) -> None:
        """Start the process unless it runs already."""
        with self.lock:
            self.should_run = True
            if self.is_running:
                return
            self.restart_at = None
            self.started = time.monotonic()
            self.pid = spawn(self.command, log=self.log, env=self.env)

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Send SIGTERM, and SIGKILL after `seconds`; the process is not restarted."""
        with self.lock:
            self.should_run = False
            if self.pid is not None:
                stop(self.pid, seconds)
                self.pid = None

    def kill(self) -> None:
        """Send SIGKILL, as in a crash; the supervisor restarts the process."""
        with self.lock:
            if self.pid is not None:
                kill(self.pid)

    def plan_restart(self, now: float) -> str:
        """Set the time of the next start after an end, if there is one; return a message.

        A process that cannot reach a server has not crashed: it is started until it can. Wrong
        settings do not become right by another start.
        """
        code = None if self.pid is None else take_exit_code(self.pid)
        if code == UNREACHABLE:
            self.restart_at = now + MAX_PAUSE_SECONDS
            reason = last_lines(self.log, 1)
            return f"{reason}; starting {self.name} again in {MAX_PAUSE_SECONDS:g} s"
        if code == WRONG_SETTINGS:
            self.crashes = MAX_CRASHES + 1
            return last_lines(self.log, 1)
        self.crashes = 1 if now - self.started > STEADY_SECONDS else self.crashes + 1
        if self.has_given_up:
            return f"{self.name} crashed {self.crashes} times in a row: see {self.log}"
        pause = min(FIRST_PAUSE_SECONDS * 2 ** (self.crashes - 1), MAX_PAUSE_SECONDS)
        self.restart_at = now + pause
        return f"{self.name} ended unexpectedly, starting it again in {pause:g} s"

    def is_ready(self) -> bool:
        """Return whether the process runs and answers /readyz with 200."""
        return self.read_problems() == {}

    def read_problems(self) -> dict[str, str] | None:
        """Return what /readyz reports, nothing if the process is ready; None without an answer."""
        if not self.is_running:  # another process may listen on its port now
            return None
        try:
            # The address is plain HTTP: loading certificates would take 20 ms each time.
            response = httpx2.get(f"{self.url}/readyz", timeout=READY_REQUEST_SECONDS, verify=False)
            if response.status_code == 200:
                return {}
            problems: dict[str, str] = response.json()["problems"]
        except (httpx2.HTTPError, ValueError, LookupError):
            return None
        return problems

    def wait_ready(self, seconds: float = READY_SECONDS) -> str | None:
        """Wait until the process is ready; raise `StackError` with its log if it is not.

        Return what an operator must do if the process waits for that.
        """
        problems: dict[str, str] | None = None

        def is_settled() -> bool:
            nonlocal problems
            problems = self.read_problems()
            return problems == {} or OPERATOR in (problems or {}) or self.has_given_up

        wait_until(is_settled, seconds)
        if problems == {}:
            return None
        if problems and OPERATOR in problems:
            return problems[OPERATOR]
        raise StackError(
            f"{self.name} did not become ready; the end of {self.log}:\n{last_lines(self.log)}"
        )
