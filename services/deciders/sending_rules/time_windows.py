"""Local hours of sending: in one zone, or in all zones in which a person may be."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

MAX_STEPS = 50
"""Openings that a search looks at; more mean that the zones have no common hours."""


def find_opening(
    now: datetime, zones: Sequence[ZoneInfo], begin: time, end: time
) -> datetime | None:
    """Return the first instant from `now` on that is from `begin` to before `end` in all zones.

    Return None if the zones have no common hours in the coming days. The zones' data are read when
    they are used, so an update of the IANA database counts at the next question.
    """
    instant = now.astimezone(UTC)
    for _ in range(MAX_STEPS):
        closed = [zone for zone in zones if not is_open(instant, zone, begin, end)]
        if not closed:
            return instant
        instant = max(_next_opening(instant, zone, begin) for zone in closed)
    return None


def is_open(instant: datetime, zone: ZoneInfo, begin: time, end: time) -> bool:
    """Return whether the local time is from `begin` to before `end`."""
    return begin <= instant.astimezone(zone).time() < end


def begin_of_day(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant of a local day."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _next_opening(instant: datetime, zone: ZoneInfo, begin: time) -> datetime:
    local = instant.astimezone(zone)
    opening = datetime.combine(local.date(), begin, zone).astimezone(UTC)
    if opening <= instant:
        tomorrow = local.date() + timedelta(days=1)
        opening = datetime.combine(tomorrow, begin, zone).astimezone(UTC)
    return opening
