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
    wait_until,
)
from services.local_stack.ports import HOST

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
        """Set the time of the next start after a crash, if there is one; return a message."""
        self.crashes = 1 if now - self.started > STEADY_SECONDS else self.crashes + 1
        if self.has_given_up:
            return f"{self.name} crashed {self.crashes} times in a row: see {self.log}"
        pause = min(FIRST_PAUSE_SECONDS * 2 ** (self.crashes - 1), MAX_PAUSE_SECONDS)
        self.restart_at = now + pause
        return f"{self.name} ended unexpectedly, starting it again in {pause:g} s"

    def is_ready(self) -> bool:
        """Return whether the process runs and answers /readyz with 200."""
        if not self.is_running:  # another process may listen on its port now
            return False
        try:
            response = httpx2.get(f"{self.url}/readyz", timeout=READY_REQUEST_SECONDS)
        except httpx2.HTTPError:
            return False
        return response.status_code == 200

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until the process is ready; raise `StackError` with its log if it is not."""
        wait_until(lambda: self.is_ready() or self.has_given_up, seconds)
        if not self.is_ready():
            raise StackError(
                f"{self.name} did not become ready; the end of {self.log}:\n{last_lines(self.log)}"
            )
