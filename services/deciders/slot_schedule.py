"""The slots that a property's tour hours define, in its own time zone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from services.deciders.local_time import WEEKDAYS, load_zone
from services.deciders.slot_times import LONGEST_MINUTES, SlotTime

DEFAULT_MINUTES, DEFAULT_CAPACITY = 30, 1
OFFERED_DAYS = 14
"""The days after today whose slots the widget lists by default."""
DEFAULT_HOURS = (time(9), time(17))
"""The hours of every day, if a property has set no hours at all."""

Span = tuple[time, time]
ClosedReason = Literal["blackout", "holiday", "weekday"]
"""The reason why no tours begin on a day: blackout date, holiday, or no hours on this weekday."""
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TourHours:
    """The times at which a property offers tours.

    `week` has the open weekdays only. A span whose end is not after its start passes midnight.
    """

    week: Mapping[str, Span]
    closed: Mapping[date, ClosedReason]
    duration_minutes: int
    buffer_minutes: int
    capacity: int
    enabled: bool


def parse_tour_hours(settings: Mapping[str, Any]) -> TourHours:
    """Return the tour hours of a widget's settings; without any, the business hours are used."""
    closed: dict[date, ClosedReason] = {}
    week = settings.get("tour_hours")
    if week is None:
        week = settings.get("business_hours")
        closed |= dict.fromkeys(settings.get("holidays") or (), "holiday")
    closed |= dict.fromkeys(settings.get("tour_blackout_dates") or (), "blackout")
    return TourHours(
        dict.fromkeys(WEEKDAYS, DEFAULT_HOURS) if week is None else _parse_week(week),
        closed,
        settings.get("tour_duration_minutes") or DEFAULT_MINUTES,
        settings.get("tour_buffer_minutes") or 0,
        settings.get("tour_capacity") or DEFAULT_CAPACITY,
        settings.get("tours_enabled") is not False,
    )


def list_slots(
    property_id: UUID, zone: str, hours: TourHours, first: date, last: date
) -> list[SlotTime]:
    """Return the slots that begin on these local days, in order.

    Slots follow one another in elapsed time. So no slot is at a local time that the clock change
    skips, and an hour that comes twice has its slots twice. Raises `Refused` for an unknown zone.
    """
    if hours.duration_minutes > LONGEST_MINUTES:
        return []
    local = load_zone(zone)
    slots: dict[datetime, SlotTime] = {}
    day = first - _ONE_DAY
    while day <= last:
        for starts_at in _starts(day, hours, local):
            if first <= starts_at.astimezone(local).date() <= last:
                slots[starts_at] = SlotTime(property_id, starts_at, hours.duration_minutes, zone)
        day += _ONE_DAY
    return [slots[at] for at in sorted(slots)]


def find_closed_reason(day: date, hours: TourHours) -> ClosedReason | None:
    """Return the reason why a day has no hours; None if it has some."""
    is_open = WEEKDAYS[day.weekday()] in hours.week
    return hours.closed.get(day, None if is_open else "weekday")


def is_offered(slot: SlotTime, hours: TourHours) -> bool:
    """Return whether the hours define exactly this slot."""
    day = slot.local.date()
    return slot in list_slots(slot.property_id, slot.time_zone, hours, day, day)


def _starts(day: date, hours: TourHours, zone: ZoneInfo) -> Iterator[datetime]:
    span = hours.week.get(WEEKDAYS[day.weekday()])
    if span is None or day in hours.closed:
        return
    opens, closes = span
    last_day = day if closes > opens else day + _ONE_DAY
    at = datetime.combine(day, opens, zone).astimezone(UTC)
    end = min(
        datetime.combine(last_day, closes, zone).replace(fold=fold).astimezone(UTC)
        for fold in (0, 1)
    )
    length = timedelta(minutes=hours.duration_minutes)
    step = length + timedelta(minutes=min(hours.buffer_minutes, LONGEST_MINUTES))
    while at + length <= end:
        yield at
        at += step


def _parse_week(week: object) -> dict[str, Span]:
    """Return the open weekdays; a weekday without two valid times is closed."""
    spans = {}
    for name in WEEKDAYS:
        span = week.get(name) if isinstance(week, Mapping) else None
        if isinstance(span, Mapping):
            opens, closes = _parse_time(span.get("start")), _parse_time(span.get("end"))
            if opens is not None and closes is not None:
                spans[name] = (opens, closes)
    return spans


def _parse_time(text: object) -> time | None:
    if text == "24:00":
        return time(0)
    try:
        return time.fromisoformat(text).replace(tzinfo=None) if isinstance(text, str) else None
    except ValueError:
        return None
