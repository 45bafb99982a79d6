"""The core's own processes: started, watched, restarted after a crash, ended in order."""

import threading
import time
from collections.abc import Callable, Mapping
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
STOP_SECONDS = 20.0
WATCH_SECONDS = 0.1
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
STEADY_SECONDS = 60.0
MOST_CRASHES = 6


@dataclass(slots=True)
class Child:
    """One process of ours, by name; whoever holds `lock` may start or end it."""

    name: str
    port: int
    log: Path
    env: Mapping[str, str]
    command: tuple[str, ...]
    pid: int | None = None
    wanted: bool = False
    crashes: int = 0
    started: float = 0.0
    restart_at: float | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def runs(self) -> bool:
        return self.pid is not None and not has_ended(self.pid)

    @property
    def gave_up(self) -> bool:
        """Did it crash so often in a row that it is not started any more?"""
        return self.crashes > MOST_CRASHES

    def start(self) -> None:
        """Start it where it does not run."""
        with self.lock:
            self.wanted = True
            if self.runs:
                return
            self.restart_at = None
            self.started = time.monotonic()
            self.pid = spawn(self.command, log=self.log, env=self.env)

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """SIGTERM, then after `seconds` SIGKILL; it is not restarted."""
        with self.lock:
            self.wanted = False
            if self.pid is not None:
                stop(self.pid, seconds)
                self.pid = None

    def kill(self) -> None:
        """SIGKILL it, as a crash would; whoever watches restarts it."""
        with self.lock:
            if self.pid is not None:
                kill(self.pid)

    def plan_restart(self, now: float) -> str:
        """It has crashed: when shall it be started again, if at all? Says so in words."""
        self.crashes = 1 if now - self.started > STEADY_SECONDS else self.crashes + 1
        if self.gave_up:
            return f"{self.name} crashed {self.crashes} times in a row: see {self.log}"
        pause = min(FIRST_PAUSE_SECONDS * 2 ** (self.crashes - 1), LONGEST_PAUSE_SECONDS)
        self.restart_at = now + pause
        return f"{self.name} ended unasked, starting it again in {pause:g} s"

    def is_ready(self) -> bool:
        """Does it run and say so itself?"""
        try:
            return self.runs and httpx2.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx2.HTTPError:
            return False

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Return when it is ready; StackError with the end of its log when it does not come up."""
        wait_until(lambda: self.is_ready() or self.gave_up, seconds)
        if not self.is_ready():
            raise StackError(
                f"{self.name} did not become ready; {self.log} ends:\n{last_lines(self.log)}"
            )


class Watch:
    """Restarts children that ended unasked, pausing longer after each crash in a row."""

    def __init__(self, children: list[Child], notice: Callable[[str], None]) -> None:
        self._children = children
        self._notice = notice
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """After this nothing is restarted any more."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(WATCH_SECONDS):
            for child in self._children:
                with child.lock:
                    self._look_after(child)

    def _look_after(self, child: Child) -> None:
        if not child.wanted or child.runs or child.gave_up:
            return
        now = time.monotonic()
        if child.restart_at is None:
            self._notice(child.plan_restart(now))
        elif now >= child.restart_at:
            child.start()
