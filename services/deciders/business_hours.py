"""Business hours: is somebody there at an instant, by the wall clock of the property's zone?

Hours are weekday → `{start, end}`, each "HH:MM", or null where it is closed; a weekday that is
missing is closed too. An end that is not after its start is on the next day, so equal ones are a
whole day. A window belongs to the day it begins on: on a holiday none begins. Nothing set means
always open, as help desks have it that know no schedule.
"""

import re
from collections.abc import Collection, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from services.deciders.decider import Refused
from services.deciders.local_time import zone_of

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
CLOCK = r"([01][0-9]|2[0-3]):([0-5][0-9])"
ONE_DAY = timedelta(days=1)
_CLOCK = re.compile(CLOCK)


def is_open(
    hours: Mapping[str, Any] | None, holidays: Collection[str], zone: str | None, at: datetime
) -> bool:
    """Is `at` within a window? `holidays` are ISO dates; hours that say nothing sensible for a day
    are none, and without a zone that exists no wall clock says that it is open."""
    if not hours and not holidays:
        return True
    try:
        local = at.astimezone(zone_of(zone or ""))
    except Refused:
        return False
    today = local.date()
    return any(
        _has_struck(local, start) and not _has_struck(local, end)
        for day in (today - ONE_DAY, today)
        if day.isoformat() not in holidays
        for start, end in _windows(hours, day)
    )


def _windows(hours: Mapping[str, Any] | None, day: date) -> list[tuple[datetime, datetime]]:
    """The window that begins on a day, if one does, on the wall clock."""
    if not hours:
        start = datetime.combine(day, time())
        return [(start, start + ONE_DAY)]
    said = hours.get(WEEKDAYS[day.weekday()])
    if not isinstance(said, Mapping):
        return []
    opens, closes = clock_of(said.get("start")), clock_of(said.get("end"))
    if opens is None or closes is None:
        return []
    end = datetime.combine(day if closes > opens else day + ONE_DAY, closes)
    return [(datetime.combine(day, opens), end)]


def clock_of(text: object) -> time | None:
    """The time that "HH:MM" says; None for anything else."""
    said = _CLOCK.fullmatch(text) if isinstance(text, str) else None
    return time(int(said[1]), int(said[2])) if said else None


def _has_struck(now: datetime, wall: datetime) -> bool:
    """Has the clock on the wall shown this time, or a later one, by now?

    So a time that is skipped in spring strikes at the jump, and one that comes twice in autumn
    strikes at the first: a window neither opens nor closes twice.
    """
    if wall <= now.replace(tzinfo=None, fold=0):
        return True
    return now.fold == 1 and isinstance(now.tzinfo, ZoneInfo) and _comes_twice(wall, now.tzinfo)


def _comes_twice(wall: datetime, zone: ZoneInfo) -> bool:
    first = wall.replace(tzinfo=zone, fold=0).utcoffset()
    second = wall.replace(tzinfo=zone, fold=1).utcoffset()
    return first is not None and second is not None and first > second
