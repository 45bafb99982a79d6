"""Instants in words for people."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_STEPS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def parse_instant(value: str | datetime) -> datetime:
    """Return an instant of the API."""
    at = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def describe_instant(at: datetime, zone: ZoneInfo) -> str:
    """Return an instant in a zone: `Tue 1 Dec 2026, 10:30 CST`."""
    local = at.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M %Z}"


def describe_duration(span: timedelta) -> str:
    """Return the largest whole unit of a span of time: `3 hours`."""
    seconds = abs(span.total_seconds())
    for length, name in _STEPS:
        count = int(seconds // length)
        if count:
            return f"{count} {name}{'s' if count > 1 else ''}"
    return "0 seconds"


def describe_age(at: datetime, now: datetime) -> str:
    """Return how long ago an instant was, or how far ahead it is."""
    if abs((now - at).total_seconds()) < 1:
        return "now"
    span = describe_duration(now - at)
    return f"{span} ago" if at <= now else f"in {span}"
