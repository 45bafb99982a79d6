"""The clock of a process."""

from datetime import UTC, datetime, timedelta

from services.runtime.clock import Clock


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
