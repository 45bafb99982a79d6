"""The clock of a process."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.runtime.clock import Clock, open_clock


def test_the_clock_is_the_system_clock_in_utc() -> None:
    before = datetime.now(UTC)
    now = Clock().now()
    assert before <= now <= datetime.now(UTC)
    assert now.utcoffset() == timedelta(0)


def test_an_offset_moves_the_clock() -> None:
    clock = Clock()
    clock.offset = timedelta(days=3)
    assert timedelta(days=3) <= clock.now() - datetime.now(UTC) + timedelta(seconds=1)
    clock.offset = -timedelta(days=3)
    assert clock.now() <= datetime.now(UTC) - timedelta(days=3)


def test_a_file_delays_the_clock_until_it_says_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "delay"
    file.write_text("7200\n")
    clock = open_clock(file)
    late = datetime.now(UTC) - clock.now()
    assert timedelta(hours=2) <= late + timedelta(seconds=1) <= timedelta(hours=2, minutes=1)
    file.write_text("0")
    assert datetime.now(UTC) - clock.now() < timedelta(minutes=1)
    assert datetime.now(UTC) - open_clock(None).now() < timedelta(minutes=1)


@pytest.mark.parametrize("text", ["-1", "1e12", "nan", "soon", ""])
def test_a_clock_is_never_ahead_of_the_system(tmp_path: Path, text: str) -> None:
    file = tmp_path / "delay"
    file.write_text(text)
    with pytest.raises(ValueError):
        open_clock(file).now()
