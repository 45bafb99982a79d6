"""The state file of a running `crm up` in CRM_HOME, with which other commands find it."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

FILE = "stack.json"


@dataclass(frozen=True, slots=True)
class StackState:
    """A running stack: its process id, the settings to reach it, the address of its API.

    `urls`: process → the address of its health routes.
    """

    pid: int
    settings: dict[str, str]
    api_url: str = ""
    urls: dict[str, str] = field(default_factory=dict)


def home_directory() -> Path:
    """Return CRM_HOME, or `.crm` in the current directory."""
    return Path(os.environ.get("CRM_HOME", ".crm")).resolve()


def write_state(home: Path, state: StackState) -> None:
    """Write the file atomically, readable only by its owner: it contains development secrets."""
    draft = home / f".{FILE}.{os.getpid()}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        json.dump(asdict(state), out, indent=1)
    draft.replace(home / FILE)


def read_state(home: Path) -> StackState | None:
    """Return the state of the running stack; None if there is no file or its process ended."""
    state = read_last_state(home)
    return state if state is not None and is_alive(state.pid) else None


def read_last_state(home: Path) -> StackState | None:
    """Return the state in the file, also of a stack that was killed; None if there is no file."""
    try:
        return StackState(**json.loads((home / FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def delete_state(home: Path) -> None:
    """Delete the file, so that no command finds the stack any more."""
    (home / FILE).unlink(missing_ok=True)


def is_alive(pid: int) -> bool:
    """Return whether the process runs; a zombie process does not count."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True  # no /proc here, or the process ended just now: trust the signal
    return status.rpartition(")")[2].split()[0] != "Z"
