"""Local times: a date and a time on the wall clock of a time zone, converted to an instant."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from services.deciders.decider import Refused

EARLIEST_YEAR, LATEST_YEAR = 2000, 2100
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
CLOCK = r"([01][0-9]|2[0-3]):([0-5][0-9])"
_CLOCK = re.compile(CLOCK)
_OTHER_AREAS = ("Etc/", "posix/", "right/", "SystemV/")
"""Areas of the IANA database that contain no places."""
_PLACES_WITHOUT_AREA = frozenset({
    "UTC", "Cuba", "Egypt", "Eire", "GB", "GB-Eire", "Hongkong", "Iceland", "Iran", "Israel",
    "Jamaica", "Japan", "Kwajalein", "Libya", "NZ", "NZ-CHAT", "Navajo", "PRC", "Poland",
    "Portugal", "ROC", "ROK", "Singapore", "Turkey", "W-SU",
})  # fmt: skip
"""Old names of countries without an area, and UTC, the only accepted name that is no place."""


@dataclass(frozen=True, slots=True)
class When:
    """The local time of a tour; with `fold` 1 it is the second of two equal local times."""

    tour_date: date
    tour_time: time
    time_zone: str
    fold: int = 0
    duration_minutes: int = 30

    @property
    def instant(self) -> datetime:
        """Return the instant in UTC. Raises `Refused` as `to_instant` does."""
        return to_instant(self.tour_date, self.tour_time, self.time_zone, self.fold)

    @property
    def event_fields(self) -> dict[str, Any]:
        """Return the fields of a tour event that state its time. Raises `Refused`."""
        return {
            "tour_date": self.tour_date,
            "tour_time": self.tour_time,
            "time_zone": self.time_zone,
            "fold": self.fold,
            "starts_at": self.instant,
            "duration_minutes": self.duration_minutes,
        }


def load_zone(name: str) -> ZoneInfo:
    """Return the time zone of a place, or UTC.

    Raises `Refused` for an unknown name, because a zone is never guessed, and for a name that is no
    place, such as `localtime` (the zone of this machine), `Factory` or `EST`, which has no summer
    time.
    """
    try:
        if _is_place(name):
            return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        pass  # not in the database
    raise Refused(
        "unknown_zone",
        f"{name!r} is not the time zone of a place in the IANA database: use one such as "
        "America/New_York",
        422,
    )


def _is_place(name: str) -> bool:
    if "/" in name:
        return not name.startswith(_OTHER_AREAS) or name == "Etc/UTC"
    return name in _PLACES_WITHOUT_AREA


def zone_or_utc(name: object) -> ZoneInfo:
    """Return the zone in the settings of a property; UTC if there is none or an unknown one.

    It is for showing times. A tour is never booked in a guessed zone.
    """
    try:
        return load_zone(name) if isinstance(name, str) and name else ZoneInfo("UTC")
    except Refused:
        return ZoneInfo("UTC")


def to_instant(day: date, at: time, zone: str, fold: int = 0) -> datetime:
    """Return the instant in UTC.

    Raises `Refused` for an unknown zone, and for a local time that the clock change skips.
    """
    if not EARLIEST_YEAR <= day.year <= LATEST_YEAR:
        raise Refused(
            "invalid_date", f"{day} is not between {EARLIEST_YEAR} and {LATEST_YEAR}", 400
        )
    local = datetime.combine(day, at.replace(tzinfo=None), load_zone(zone)).replace(fold=fold)
    instant = local.astimezone(UTC)
    if instant.astimezone(local.tzinfo).replace(tzinfo=None) != local.replace(tzinfo=None):
        raise Refused("no_such_time", f"{at:%H:%M} does not exist on {day} in {zone}", 422)
    return instant


def parse_clock(text: object) -> time | None:
    """Return the time that "HH:MM" states; None for anything else."""
    match = _CLOCK.fullmatch(text) if isinstance(text, str) else None
    return time(int(match[1]), int(match[2])) if match else None
