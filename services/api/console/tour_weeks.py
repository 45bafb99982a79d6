"""A week of a property: its days with their slots and tours, and the sentence that answers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from events.tours import TourStatus
from services.api.console.times import parse_instant
from services.api.console.tour_times import value_of
from services.deciders.tours import LIVE
from services.deciders.widgets import SETTING_OF_KIND

WEEK = timedelta(days=7)
DAY = timedelta(days=1)
_CLOSED = {
    "blackout": "No tours: blackout date.",
    "holiday": "No tours: holiday.",
    "weekday": "No tours on {:%A}s.",
}


@dataclass(slots=True)
class Start:
    """A time of a day at which tours begin, or could. `slot` is None outside the tour hours."""

    clock: str
    slot: Mapping[str, Any] | None = None
    is_past: bool = False
    tours: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def query(self) -> dict[str, str]:
        """The parameters with which the form of a booking begins with this slot."""
        return {} if self.slot is None else {"date": self.slot["date"], "slot": value_of(self.slot)}

    @property
    def free_places(self) -> int:
        return 0 if self.slot is None or self.is_past else self.slot["freePlaces"]


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the week. `closed` is the sentence that says why no tours begin on it.

    `closed_kind` is there if an admin closed this day, and not the weekday.
    """

    date: date
    is_today: bool
    closed: str | None
    closed_kind: str | None
    starts: Sequence[Start]

    @property
    def title(self) -> str:
        return f"{self.date:%a} {self.date.day} {self.date:%b}"

    @property
    def tour_count(self) -> int:
        """The number of tours that are not cancelled."""
        return sum(is_kept(tour) for start in self.starts for tour in start.tours)

    @property
    def free_places(self) -> int:
        return sum(start.free_places for start in self.starts)


@dataclass(frozen=True, slots=True)
class WeekAnswer:
    """The content of the sentence of a week. `first` is the next tour, if one is still to come."""

    count: int
    when: str
    first: Mapping[str, Any] | None
    outcomes: str
    without_outcome: Sequence[Mapping[str, Any]]


def is_kept(tour: Mapping[str, Any]) -> bool:
    """Return whether a tour counts: it is not cancelled."""
    return bool(tour["status"] != TourStatus.CANCELLED)


def is_live(tour: Mapping[str, Any]) -> bool:
    """Return whether a tour is scheduled or confirmed."""
    return tour["status"] in LIVE


def has_begun(tour: Mapping[str, Any], now: datetime) -> bool:
    """Return whether the time of a tour has come."""
    return tour["starts_at"] is not None and parse_instant(tour["starts_at"]) <= now


def build_days(
    monday: date,
    tours: Sequence[Mapping[str, Any]],
    slot_days: Sequence[Mapping[str, Any]],
    today: date,
    now: datetime,
) -> list[Day]:
    """Return the seven days. Slots that have begun are left out, unless they have tours."""
    slots_of = {day["date"]: day for day in slot_days}
    days = []
    for number in range(7):
        day = monday + number * DAY
        found = slots_of.get(day.isoformat(), {"slots": (), "closed": None})
        of_day = [tour for tour in tours if tour["tour_date"] == day.isoformat()]
        closed = found["closed"]
        days.append(Day(
            day, day == today, _CLOSED[closed].format(day) if closed else None,
            closed if closed in SETTING_OF_KIND else None,
            _list_starts(found["slots"], of_day, now),
        ))  # fmt: skip
    return days


def _list_starts(
    slots: Sequence[Mapping[str, Any]], tours: Sequence[Mapping[str, Any]], now: datetime
) -> list[Start]:
    starts: dict[datetime, Start] = {}
    for slot in slots:
        at = parse_instant(slot["startsAt"])
        starts[at] = Start(slot["startTime"], slot, at <= now)
    for tour in tours:
        at = parse_instant(tour["starts_at"] or f"{tour['tour_date']}T{tour['tour_time']}")
        starts.setdefault(at, Start(tour["tour_time"][:5])).tours.append(tour)
    return [starts[at] for at in sorted(starts) if starts[at].tours or not starts[at].is_past]


def answer_week(
    monday: date, tours: Sequence[Mapping[str, Any]], today: date, now: datetime
) -> WeekAnswer:
    """Return the content of the week's sentence: how many tours, the next one, and the outcomes."""
    kept = [tour for tour in tours if is_kept(tour)]
    coming = [tour for tour in kept if is_live(tour) and not has_begun(tour, now)]
    begun = [tour for tour in kept if is_live(tour) and has_begun(tour, now)]
    counts = Counter(tour["status"] for tour in kept)
    outcomes = []
    if completed := counts[TourStatus.COMPLETED]:
        outcomes.append(f"{completed} took place")
    if no_shows := counts[TourStatus.NO_SHOW]:
        outcomes.append(f"{no_shows} {'lead' if no_shows == 1 else 'leads'} did not come")
    return WeekAnswer(
        len(kept), _name_week(monday, today), coming[0] if coming else None,
        " and ".join(outcomes), begun,
    )  # fmt: skip


def _name_week(monday: date, today: date) -> str:
    """Return when a week is, seen from today: `this week`."""
    near = {0: "this week", 7: "next week", -7: "last week"}
    days = (monday - find_monday(today)).days
    year = f" {monday.year}" if monday.year != today.year else ""
    return near.get(days) or f"in the week of {monday.day} {monday:%B}{year}"


def find_monday(day: date) -> date:
    """Return the first day of a week."""
    return day - timedelta(days=day.weekday())
