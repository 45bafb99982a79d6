"""Coming and past instants as people name them: `today 17:00`, `since Tuesday`."""

from datetime import datetime
from zoneinfo import ZoneInfo

_NEAR_DAYS = 7


def describe_day(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """Return the day of an instant: today, yesterday, tomorrow, a weekday, or a date."""
    local, today = at.astimezone(zone), now.astimezone(zone).date()
    days = (local.date() - today).days
    near = {0: "today", 1: "tomorrow", -1: "yesterday"}
    if days in near:
        return near[days]
    if abs(days) < _NEAR_DAYS:
        return f"{local:%A}"
    return f"{local.day} {local:%B}" + (f" {local.year}" if local.year != today.year else "")


def describe_moment(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """Return day and time of an instant: `tomorrow 10:30`."""
    return f"{describe_day(at, now, zone)} {at.astimezone(zone):%H:%M}"
