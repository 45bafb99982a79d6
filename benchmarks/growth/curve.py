"""The curve of a measurement: what each step of so many events costs, and how much is left."""

import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.servers import server_cpu_seconds
from events.log.connection import Connection

BYTES_PER_MEBIBYTE = 1024 * 1024
BYTES_PER_BLOCK = 512
DATABASE_BYTES = "SELECT pg_database_size(current_database())"


@dataclass(frozen=True)
class Point:
    """The state after a number of events, since the beginning of the measurement.

    `cpu_seconds` is the CPU time of the process and its children, `resident_mib` their memory,
    `server_seconds` the CPU time of PostgreSQL.
    """

    events: int
    seconds: float
    cpu_seconds: float
    server_seconds: float
    resident_mib: float
    database_bytes: int
    topic_bytes: int


@dataclass
class Curve:
    """The points of one measurement, one after each `step` events; none if `step` is 0."""

    stage: str
    events: int
    step: int
    home: Path
    points: list[Point] = field(default_factory=list)
    _began: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def begin(self) -> None:
        """Begin to count times."""
        if self.step:
            self._began = self._times()

    async def add(self, events: int, conn: Connection) -> None:
        """Add a point if this is the first call after a step, and print the progress."""
        if self._is_due(events):
            self._add(events, await conn.fetchval(DATABASE_BYTES))

    def add_without_sizes(self, events: int) -> None:
        """Do the same where no connection is free."""
        if self._is_due(events):
            self._add(events, 0)

    def result(self) -> dict[str, Any]:
        """Return the points as JSON."""
        return {"curve": [asdict(point) for point in self.points]} if self.step else {}

    def _is_due(self, events: int) -> bool:
        if self.step == 0:
            return False
        last = self.points[-1].events if self.points else 0
        return last < events >= min(last - last % self.step + self.step, self.events)

    def _add(self, events: int, database_bytes: int) -> None:
        seconds, cpu_seconds, server_seconds = (
            now - began for now, began in zip(self._times(), self._began, strict=True)
        )
        topic_bytes = record_bytes(self.home / "kafka" / "data") if database_bytes else 0
        self.points.append(Point(
            events, round(seconds, 2), round(cpu_seconds, 2), round(server_seconds, 2),
            round(_resident_bytes() / BYTES_PER_MEBIBYTE, 1), database_bytes, topic_bytes,
        ))  # fmt: skip
        left = seconds / events * (self.events - events) / 60
        print(
            f"{self.stage}: {events:,} of {self.events:,} events, {events / seconds:,.0f}/s, "
            f"{left:.1f} minutes left", file=sys.stderr, flush=True,
        )  # fmt: skip

    def _times(self) -> tuple[float, float, float]:
        return time.perf_counter(), _cpu_seconds(), server_cpu_seconds(self.home)


def _family() -> list[psutil.Process]:
    process = psutil.Process()
    return [process, *process.children(recursive=True)]


def _cpu_seconds() -> float:
    times = [member.cpu_times() for member in _family()]
    return float(sum(used.user + used.system for used in times))


def _resident_bytes() -> int:
    return int(sum(member.memory_info().rss for member in _family()))


def record_bytes(directory: Path) -> int:
    """Return the size of the record files of Kafka, without blocks that are reserved only.

    It is 0 if the directory does not exist.
    """
    total = 0
    for file in directory.rglob("*.log"):
        try:
            status = file.stat()
        except OSError:  # it was removed meanwhile
            continue
        total += min(status.st_size, status.st_blocks * BYTES_PER_BLOCK)
    return total
