"""The free places of slots, from the stored slots that overlap them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from projections import slots as slot_rows
from services.api.reading import ResultRow
from services.deciders.slot_schedule import TourHours
from services.deciders.slot_times import SlotTime
from services.deciders.slots import OccupiedSpan, compute_peak_occupancy


class SlotPlaces(NamedTuple):
    """A slot with its number of free places; none are free if an agent closed it."""

    slot: SlotTime
    free_places: int
    is_closed: bool


def count_free_places(
    slots: Iterable[SlotTime], hours: TourHours, rows: Iterable[ResultRow], now: datetime
) -> Iterator[SlotPlaces]:
    """Yield the slots with their free places. `rows` are the stored slots of these days."""
    occupied, closed_ids = _occupied_spans(rows, now)
    for slot in slots:
        overlapping = {span for day in slot.days() for span in occupied[day]}
        is_closed = slot.id in closed_ids
        free_places = hours.capacity - compute_peak_occupancy(slot, overlapping)
        yield SlotPlaces(slot, 0 if is_closed else max(0, free_places), is_closed)


def _occupied_spans(
    rows: Iterable[ResultRow], now: datetime
) -> tuple[dict[date, list[OccupiedSpan]], set[Any]]:
    """Return the occupied spans by UTC day, and the ids of closed slots.

    A span that passes midnight is listed under both days. Slots of other lengths overlap with it,
    so it cannot be found by slot id.
    """
    occupied: dict[date, list[OccupiedSpan]] = defaultdict(list)
    closed_ids = set()
    for row in rows:
        if row.status == "closed":
            closed_ids.add(row.id)
        if places := slot_rows.count_held_places(row.holds, now):
            ends_at = row.starts_at + timedelta(minutes=row.duration_minutes)
            for day in {row.starts_at.date(), ends_at.date()}:
                occupied[day].append((row.starts_at, ends_at, places))
    return occupied, closed_ids
