"""The clock of a process: the one source of the instant that it takes for now."""

from datetime import UTC, datetime, timedelta


class Clock:
    """The system's clock plus an offset.

    The offset is zero in production. A test or the demo sets it to move the time of one process.
    """

    def __init__(self, offset: timedelta = timedelta()) -> None:
        self.offset = offset

    def now(self) -> datetime:
        """Return the current instant in UTC."""
        return datetime.now(UTC) + self.offset
