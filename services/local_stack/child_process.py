"""One child process: started in a session of its own, found again by its id, ended for certain."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from services.runtime.stack_state import is_alive

POLL_SECONDS = 0.05

_children: dict[int, subprocess.Popen[bytes]] = {}
"""Those this process started and has not seen end."""


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
    """Start it with its output appended to `log`; Ctrl-C in our terminal does not reach it.

    `env` comes on top of our own environment. Returns the process id.
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
    """Ask until it is so, at most `seconds` long; says whether it came to be so."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def stop(pid: int, seconds: float, *, first: signal.Signals = signal.SIGTERM) -> bool:
    """Ask it to end, kill it where it has not after `seconds`; True when it went by itself."""
    if not send(pid, first):
        return True
    if wait_until(lambda: has_ended(pid), seconds):
        return True
    kill(pid)
    return False


def kill(pid: int) -> None:
    """SIGKILL it and whatever it started, and wait until they are gone."""
    family = _family(pid)
    for member in family:
        send(member, signal.SIGKILL)
    if not wait_until(lambda: all(has_ended(member) for member in family), 10):
        raise StackError(f"process {pid} does not end, not even by SIGKILL")


def has_ended(pid: int) -> bool:
    """Is it gone? Reaps it where it is our own child."""
    child = _children.get(pid)
    if child is None:
        return not is_alive(pid)
    if child.poll() is None:
        return False
    _children.pop(pid, None)
    return True


def wait_for_end(pid: int, seconds: float) -> int:
    """The exit code of a child of ours; StackError where it takes longer than `seconds`."""
    try:
        code = _children[pid].wait(seconds)
    except subprocess.TimeoutExpired:
        kill(pid)
        raise StackError(f"process {pid} took longer than {seconds:g} s") from None
    _children.pop(pid, None)
    return code


def runs(pid: int, program: str) -> bool:
    """Is this process still that program? After a reboot its id may be somebody else's."""
    if has_ended(pid):
        return False
    try:
        return program in psutil.Process(pid).name()
    except psutil.NoSuchProcess:
        return False


def wait_until_reaped(pid: int, seconds: float) -> bool:
    """An orphan that ended keeps its id until init collects it, and PostgreSQL looks at ids."""
    return wait_until(lambda: not psutil.pid_exists(pid), seconds)


def last_lines(log: Path, count: int = 15) -> str:
    """The end of a log, for an error message."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "(no log)"
    return "\n".join(text.splitlines()[-count:])


def _family(pid: int) -> list[int]:
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [pid, *(child.pid for child in children)]


def send(pid: int, number: signal.Signals) -> bool:
    """Signal it; False where it is gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _group_of(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid
