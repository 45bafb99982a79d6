"""Openings: the slots that a property's hours make of its days, in its own zone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from services.deciders.local_time import zone_of
from services.deciders.slot_times import LONGEST_MINUTES, SlotTime

USUAL_MINUTES, USUAL_CAPACITY = 30, 1
USUAL_HOURS = (time(9), time(17))
"""Of every day, where a property has said no hours at all."""
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

Span = tuple[time, time]
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TourHours:
    """When a property shows itself. `week` holds the open weekdays; a span whose end is not after
    its beginning passes midnight."""

    week: Mapping[str, Span]
    closed: frozenset[date] = frozenset()
    duration_minutes: int = USUAL_MINUTES
    buffer_minutes: int = 0
    capacity: int = USUAL_CAPACITY
    enabled: bool = True


def tour_hours(settings: Mapping[str, Any]) -> TourHours:
    """What the widget's settings say of tours: their own hours, else those of the business."""
    closed = {*(settings.get("tour_blackout_dates") or ())}
    week = settings.get("tour_hours")
    if week is None:
        week = settings.get("business_hours")
        closed |= {*(settings.get("holidays") or ())}
    return TourHours(
        dict.fromkeys(WEEKDAYS, USUAL_HOURS) if week is None else _week(week),
        frozenset(closed),
        settings.get("tour_duration_minutes") or USUAL_MINUTES,
        settings.get("tour_buffer_minutes") or 0,
        settings.get("tour_capacity") or USUAL_CAPACITY,
        settings.get("tours_enabled") is not False,
    )


def slots_between(
    property_id: UUID, zone: str, hours: TourHours, first: date, last: date
) -> list[SlotTime]:
    """The slots that begin on these local days, in order. Raises `Refused` for an unknown zone.

    Slots follow one another in elapsed time, so none is at a time that clocks skip, and an hour
    that comes twice has its slots twice.
    """
    if hours.duration_minutes > LONGEST_MINUTES:
        return []
    local = zone_of(zone)
    found: dict[datetime, SlotTime] = {}
    day = first - _ONE_DAY
    while day <= last:
        for starts_at in _starts(day, hours, local):
            if first <= starts_at.astimezone(local).date() <= last:
                found[starts_at] = SlotTime(property_id, starts_at, hours.duration_minutes, zone)
        day += _ONE_DAY
    return [found[at] for at in sorted(found)]


def is_offered(slot: SlotTime, hours: TourHours) -> bool:
    """Do the hours make this very slot?"""
    day = slot.local.date()
    return slot in slots_between(slot.property_id, slot.time_zone, hours, day, day)


def _starts(day: date, hours: TourHours, zone: ZoneInfo) -> Iterator[datetime]:
    span = hours.week.get(WEEKDAYS[day.weekday()])
    if span is None or day in hours.closed:
        return
    opens, closes = span
    last_day = day if closes > opens else day + _ONE_DAY
    at = datetime.combine(day, opens, zone).replace(fold=0).astimezone(UTC)
    end = min(
        datetime.combine(last_day, closes, zone).replace(fold=fold).astimezone(UTC)
        for fold in (0, 1)
    )
    length = timedelta(minutes=hours.duration_minutes)
    step = length + timedelta(minutes=min(hours.buffer_minutes, LONGEST_MINUTES))
    while at + length <= end:
        yield at
        at += step


def _week(said: object) -> dict[str, Span]:
    """What is no pair of times is closed."""
    spans = {}
    for name in WEEKDAYS:
        span = said.get(name) if isinstance(said, Mapping) else None
        if isinstance(span, Mapping):
            opens, closes = _time(span.get("start")), _time(span.get("end"))
            if opens is not None and closes is not None:
                spans[name] = (opens, closes)
    return spans


def _time(said: object) -> time | None:
    if said == "24:00":
        return time(0)
    try:
        return time.fromisoformat(said).replace(tzinfo=None) if isinstance(said, str) else None
    except ValueError:
        return None
