"""Child processes: start them in their own session, and end them reliably by their ids."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from services.runtime.stack_state import is_alive

POLL_SECONDS = 0.05
KILL_SECONDS = 10

_children: dict[int, subprocess.Popen[bytes]] = {}
"""The processes that this one started and has not reaped yet, by their ids."""
_exit_codes: dict[int, int] = {}
"""Exit codes of reaped children, until they are read."""


class StackError(Exception):
    """A server or process could not be started or stopped; the message says what to do."""


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: str | None = None,
) -> int:
    """Start a command with its output appended to `log`; return the process id.

    Ctrl-C in the terminal does not reach it. `env` is added to this process's environment.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=None if env is None else {**os.environ, **env},
            cwd=cwd,
            start_new_session=True,
            user=user,
            group=None if user is None else _group_of(user),
            extra_groups=None if user is None else [],
        )
    _children[child.pid] = child
    return child.pid


def wait_until(ready: Callable[[], bool], seconds: float) -> bool:
    """Wait until `ready()` is true, at most `seconds`; return whether it became true."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def stop(pid: int, seconds: float, *, first: signal.Signals = signal.SIGTERM) -> bool:
    """Send `first`, and SIGKILL after `seconds`; return False if SIGKILL was needed."""
    if not send(pid, first):
        return True
    if wait_until(lambda: has_ended(pid), seconds):
        return True
    kill(pid)
    return False


def kill(pid: int) -> None:
    """Send SIGKILL to a process and its descendants; wait until all have ended."""
    tree = _process_tree(pid)
    for member in tree:
        send(member, signal.SIGKILL)
    if not wait_until(lambda: all(has_ended(member) for member in tree), KILL_SECONDS):
        raise StackError(f"process {pid} does not end after SIGKILL: end it by hand")


def has_ended(pid: int) -> bool:
    """Return whether a process has ended; reap it if it is a child of this process."""
    child = _children.get(pid)
    if child is None:
        return not is_alive(pid)
    if (code := child.poll()) is None:
        return False
    _children.pop(pid, None)
    _exit_codes[pid] = code
    return True


def take_exit_code(pid: int) -> int | None:
    """Return the exit code of a child that `has_ended` found, once; None if it is not known."""
    return _exit_codes.pop(pid, None)


def wait_for_end(pid: int, seconds: float) -> int:
    """Return the exit code of a child; kill it and raise `StackError` after `seconds`."""
    try:
        code = _children[pid].wait(seconds)
    except subprocess.TimeoutExpired:
        kill(pid)
        raise StackError(f"process {pid} took longer than {seconds:g} s and was killed") from None
    _children.pop(pid, None)
    return code


def is_running(pid: int, program: str) -> bool:
    """Return whether the process runs that program: after a reboot its id may be reused."""
    if has_ended(pid):
        return False
    try:
        return program in psutil.Process(pid).name()
    except psutil.NoSuchProcess:
        return False


def wait_until_reaped(pid: int, seconds: float) -> bool:
    """Wait until init has reaped an ended orphan: PostgreSQL does not start while its id exists."""
    return wait_until(lambda: not psutil.pid_exists(pid), seconds)


def last_lines(log: Path, count: int = 15) -> str:
    """Return the last lines of a log, for an error message."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "(no log)"
    return "\n".join(text.splitlines()[-count:])


def _process_tree(pid: int) -> list[int]:
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [pid, *(child.pid for child in children)]


def send(pid: int, number: signal.Signals) -> bool:
    """Send a signal; return False if the process does not exist."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _group_of(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid
