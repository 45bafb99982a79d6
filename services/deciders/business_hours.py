"""Business hours: whether a property is open at an instant, in its own time zone.

Hours map a weekday to `{start, end}`, each "HH:MM", or to null if it is closed; a missing weekday
is closed too. If the end is not after the start, it is on the next day, so two equal times are a
whole day. A window belongs to the day on which it begins: none begins on a holiday. A property
without any hours and holidays is always open, as help desks are that have no schedule.
"""

from collections.abc import Collection, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from services.deciders.decider import Refused
from services.deciders.local_time import WEEKDAYS, load_zone, parse_clock

ONE_DAY = timedelta(days=1)


def is_open(
    hours: Mapping[str, Any] | None, holidays: Collection[str], zone: str | None, at: datetime
) -> bool:
    """Return whether `at` is within a window; `holidays` are ISO dates.

    Malformed hours of a day count as closed. With an unknown zone it is never open.
    """
    if not hours and not holidays:
        return True
    try:
        local = at.astimezone(load_zone(zone or ""))
    except Refused:
        return False
    today = local.date()
    return any(
        _has_reached(local, start) and not _has_reached(local, end)
        for day in (today - ONE_DAY, today)
        if day.isoformat() not in holidays
        for start, end in _windows(hours, day)
    )


def _windows(hours: Mapping[str, Any] | None, day: date) -> list[tuple[datetime, datetime]]:
    """Return the window that begins on a day, if any, as naive local times."""
    if not hours:
        start = datetime.combine(day, time())
        return [(start, start + ONE_DAY)]
    span = hours.get(WEEKDAYS[day.weekday()])
    if not isinstance(span, Mapping):
        return []
    opens, closes = parse_clock(span.get("start")), parse_clock(span.get("end"))
    if opens is None or closes is None:
        return []
    end = datetime.combine(day if closes > opens else day + ONE_DAY, closes)
    return [(datetime.combine(day, opens), end)]


def _has_reached(now: datetime, wall: datetime) -> bool:
    """Return whether the wall clock has shown `wall`, or a later time, by `now`.

    A time that is skipped in spring is reached at the jump. A time that comes twice in autumn is
    reached the first time. So no window opens or closes twice.
    """
    if wall <= now.replace(tzinfo=None):
        return True
    return now.fold == 1 and isinstance(now.tzinfo, ZoneInfo) and _comes_twice(wall, now.tzinfo)


def _comes_twice(wall: datetime, zone: ZoneInfo) -> bool:
    first = wall.replace(tzinfo=zone, fold=0).utcoffset()
    second = wall.replace(tzinfo=zone, fold=1).utcoffset()
    return first is not None and second is not None and first > second
