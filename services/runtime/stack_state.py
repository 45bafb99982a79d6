"""What a running `crm up` writes down in CRM_HOME, so that other commands find it."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

FILE = "stack.json"


@dataclass(frozen=True, slots=True)
class StackState:
    """One running stack: its process, the settings to reach it, its processes' addresses."""

    pid: int
    settings: dict[str, str]
    urls: dict[str, str] = field(default_factory=dict)


def home_directory() -> Path:
    """CRM_HOME, or `.crm` where the command runs."""
    return Path(os.environ.get("CRM_HOME", ".crm")).resolve()


def write_state(home: Path, state: StackState) -> None:
    """Write it whole or not at all, readable by its owner only: it holds development secrets."""
    draft = home / f".{FILE}.{os.getpid()}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        json.dump(asdict(state), out, indent=1)
    draft.replace(home / FILE)


def read_state(home: Path) -> StackState | None:
    """The running stack's state, or None where none was written or its process is gone."""
    state = read_last_state(home)
    return state if state is not None and is_alive(state.pid) else None


def read_last_state(home: Path) -> StackState | None:
    """The same, also of a stack that was killed before it could forget its state."""
    try:
        return StackState(**json.loads((home / FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def forget_state(home: Path) -> None:
    """After this no command finds the stack any more."""
    (home / FILE).unlink(missing_ok=True)


def is_alive(pid: int) -> bool:
    """Is there such a process (one that only waits to be reaped does not count)?"""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True  # no /proc on this system, or it ended just now: the signal has the last word
    return status.rpartition(")")[2].split()[0] != "Z"
