"""A server process, found by the file with its process id, also by other commands."""

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from services.local_stack.child_process import (
    StackError,
    has_ended,
    is_running,
    kill,
    last_lines,
    spawn,
    stop,
    wait_until,
)
from services.local_stack.ports import is_listening


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A server with its displayed `name`, its `program`, and the file that begins with its id.

    Some servers write `pid_file` themselves; for the others `launch` writes it.
    """

    name: str
    program: str
    pid_file: Path
    log: Path

    @property
    def pid(self) -> int | None:
        """The process id while the server runs."""
        try:
            pid = int(self.pid_file.read_text(encoding="utf-8").partition("\n")[0])
        except (FileNotFoundError, ValueError):
            return None
        return pid if is_running(pid, self.program) else None

    def launch(self, command: Sequence[str], *, port: int, seconds: float) -> None:
        """Start the server and wait until it accepts connections on `port`."""
        pid = spawn(command, log=self.log, cwd=self.pid_file.parent)
        self.pid_file.write_text(str(pid), encoding="ascii")
        try:
            self.wait_ready(pid, lambda: is_listening(port), seconds)
        except StackError:
            kill(pid)
            raise

    def wait_ready(self, pid: int, is_ready: Callable[[], bool], seconds: float) -> None:
        """Wait until the server is ready; raise `StackError` with its log if it is not."""
        wait_until(lambda: is_ready() or has_ended(pid), seconds)
        if has_ended(pid) or not is_ready():
            raise StackError(
                f"{self.name} did not start; the end of {self.log}:\n{last_lines(self.log)}"
            )

    def stop(self, seconds: float, *, first: signal.Signals = signal.SIGTERM) -> bool:
        """Send `first`, and SIGKILL after `seconds`; return False if SIGKILL was needed."""
        return (pid := self.pid) is None or stop(pid, seconds, first=first)

    def crash(self) -> None:
        """Send SIGKILL to the server and its child processes."""
        if (pid := self.pid) is not None:
            kill(pid)


class RestartableServer(Protocol):
    """The interface of every server of a stack."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def crash(self) -> None: ...


def restart(server: RestartableServer, *, crash: bool) -> None:
    """Stop or crash a server, and start it again."""
    if crash:
        server.crash()
    else:
        server.stop()
    server.start()
