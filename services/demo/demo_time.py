"""The time of the demo: behind the real one, and moved by the demo."""

from datetime import UTC, datetime
from pathlib import Path


class DemoTime:
    """The file that delays the clocks of all processes (`Settings.clock_delay_file`)."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def set(self, now: datetime) -> None:
        """Let it be `now`, which must not be in the future."""
        self._write(max(0.0, (datetime.now(UTC) - now).total_seconds()))

    def set_real(self) -> None:
        """Let it be the real time from now on."""
        self._write(0.0)

    def _write(self, seconds: float) -> None:
        # A process must not read a file that is half written.
        draft = self.file.with_suffix(".draft")
        draft.write_text(f"{seconds:.3f}\n", encoding="ascii")
        draft.replace(self.file)
