"""The clock of a process: the one source of the instant that it takes for now."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

MAX_DELAY_SECONDS = 10 * 366 * 24 * 3600


class Clock:
    """The system's clock plus an offset.

    The offset is zero in production. A test sets it to move the time of one process.
    """

    def __init__(self, offset: timedelta = timedelta()) -> None:
        self.offset = offset

    def now(self) -> datetime:
        """Return the current instant in UTC."""
        return datetime.now(UTC) + self.offset


class DelayedClock(Clock):
    """A clock behind the system's by as many seconds as a file says, read at every question.

    So the demo moves the time of all processes at once: it writes a smaller number. A clock ahead
    of the system's is not possible, because the log refuses events of the future.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def now(self) -> datetime:
        """Return the current instant in UTC, delayed."""
        return super().now() - timedelta(seconds=read_delay(self._file))


def read_delay(file: Path) -> float:
    """Return the number of seconds in a file. Raise `ValueError` if there is none, or below 0."""
    text = file.read_text(encoding="ascii").strip()
    seconds = float(text)
    if not 0 <= seconds <= MAX_DELAY_SECONDS:
        raise ValueError(f"{file} contains {text}: write 0 to {MAX_DELAY_SECONDS} seconds")
    return seconds


def open_clock(delay_file: Path | None) -> Clock:
    """Return the system's clock, or a delayed one if there is a file with its delay."""
    return Clock() if delay_file is None else DelayedClock(delay_file)
