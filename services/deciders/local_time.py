"""Local time to instant: a date and a time on the wall clock of a named zone."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from services.deciders.decider import Refused

EARLIEST_YEAR, LATEST_YEAR = 2000, 2100


@dataclass(frozen=True, slots=True)
class When:
    """A time on the wall clock of the property's zone; `fold` 1 is the second of two equal ones."""

    tour_date: date
    tour_time: time
    time_zone: str
    fold: int = 0
    duration_minutes: int = 30

    @property
    def instant(self) -> datetime:
        """Raises `Refused`."""
        return instant_of(self.tour_date, self.tour_time, self.time_zone, self.fold)

    @property
    def said(self) -> dict[str, Any]:
        """As events say it. Raises `Refused`."""
        return {
            "tour_date": self.tour_date,
            "tour_time": self.tour_time,
            "time_zone": self.time_zone,
            "fold": self.fold,
            "starts_at": self.instant,
            "duration_minutes": self.duration_minutes,
        }


def zone_of(name: str) -> ZoneInfo:
    """Raises `Refused`: an unknown zone is never guessed."""
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise Refused(
            "unknown_zone", f"{name!r} is no time zone of the IANA data base", 422
        ) from None


def instant_of(day: date, at: time, zone: str, fold: int = 0) -> datetime:
    """The instant, in UTC. Raises `Refused` for an unknown zone or a time that clocks skip."""
    if not EARLIEST_YEAR <= day.year <= LATEST_YEAR:
        raise Refused("invalid_date", f"{day} is out of range", 400)
    local = datetime.combine(day, at.replace(tzinfo=None), zone_of(zone)).replace(fold=fold)
    instant = local.astimezone(UTC)
    if instant.astimezone(local.tzinfo).replace(tzinfo=None) != local.replace(tzinfo=None):
        raise Refused("no_such_time", f"{at:%H:%M} does not exist on {day} in {zone}", 422)
    return instant
