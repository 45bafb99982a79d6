"""One server process: found again by the file with its id, also by others; ended, crashed, back."""

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from services.local_stack.child_process import (
    StackError,
    has_ended,
    kill,
    last_lines,
    runs,
    spawn,
    stop,
    wait_until,
)
from services.local_stack.ports import answers


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """`name` is for people, `program` is what the process is called; `pid_file` begins with its id.

    Some servers write that file themselves; for the others `launch` does.
    """

    name: str
    program: str
    pid_file: Path
    log: Path

    @property
    def pid(self) -> int | None:
        """Its process id, while it runs."""
        try:
            pid = int(self.pid_file.read_text(encoding="utf-8").partition("\n")[0])
        except (FileNotFoundError, ValueError):
            return None
        return pid if runs(pid, self.program) else None

    def launch(self, command: Sequence[str], *, port: int, seconds: float) -> None:
        """Start it beside its pid file; return when it accepts connections on `port`."""
        pid = spawn(command, log=self.log, cwd=self.pid_file.parent)
        self.pid_file.write_text(str(pid), encoding="ascii")
        try:
            self.wait_ready(pid, lambda: answers(port), seconds)
        except StackError:
            kill(pid)
            raise

    def wait_ready(self, pid: int, is_ready: Callable[[], bool], seconds: float) -> None:
        """Return when it is ready; StackError with the end of its log when it does not come up."""
        wait_until(lambda: is_ready() or has_ended(pid), seconds)
        if has_ended(pid) or not is_ready():
            raise StackError(f"{self.name} did not start; {self.log} ends:\n{last_lines(self.log)}")

    def stop(self, seconds: float, *, first: signal.Signals = signal.SIGTERM) -> bool:
        """Ask it to end, kill it where it has not; False where it had to be killed."""
        return (pid := self.pid) is None or stop(pid, seconds, first=first)

    def crash(self) -> None:
        """SIGKILL it and whatever it started."""
        if (pid := self.pid) is not None:
            kill(pid)


class Server(Protocol):
    """What every server of ours can do."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def crash(self) -> None: ...


def restart(server: Server, *, crash: bool) -> None:
    """Stop it, or crash it, and start it again."""
    if crash:
        server.crash()
    else:
        server.stop()
    server.start()
