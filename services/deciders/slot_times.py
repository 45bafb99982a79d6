"""The time of a slot: its property, start and duration, which its id encodes."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from services.deciders.decider import Refused
from services.deciders.local_time import EARLIEST_YEAR, LATEST_YEAR, When, load_zone

LONGEST_MINUTES = 24 * 60
_MINUTES_BITS, _HASH_BITS = 11, 74
"""An id also has 6 bits of version and variant, so 37 remain for the seconds of the start."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SlotTime:
    """The time of a slot; `starts_at` is in UTC, in whole seconds."""

    property_id: UUID
    starts_at: datetime
    duration_minutes: int
    time_zone: str

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(minutes=self.duration_minutes)

    @property
    def id(self) -> UUID:
        """Return a UUID of version 8: start and duration in clear, the property as a hash.

        So the slot of an id is known without a table, and only in its own property.
        """
        seconds = int((self.starts_at - _EPOCH).total_seconds())
        text = f"{self.property_id}/{seconds}/{self.duration_minutes}"
        hashed = int.from_bytes(hashlib.sha256(text.encode()).digest()) >> (256 - _HASH_BITS)
        clear = (seconds << _MINUTES_BITS) | self.duration_minutes
        low = hashed & ((1 << 62) - 1)
        return UUID(int=clear << 80 | 8 << 76 | (hashed >> 62) << 64 | 0b10 << 62 | low)

    @property
    def local(self) -> datetime:
        """Return the start on the wall clock of the time zone, with its fold."""
        return self.starts_at.astimezone(load_zone(self.time_zone))

    @property
    def when(self) -> When:
        """Return the local time of a tour in this slot."""
        at = self.local
        return When(at.date(), at.time(), self.time_zone, at.fold, self.duration_minutes)

    @property
    def event_fields(self) -> dict[str, Any]:
        """Return the fields of `slot.opened` that state the slot's time."""
        at, end = self.local, self.ends_at.astimezone(load_zone(self.time_zone))
        return {
            "slot_id": self.id,
            "slot_date": at.date(),
            "start_time": at.time(),
            "end_time": end.time(),
            "time_zone": self.time_zone,
            "fold": at.fold,
            "starts_at": self.starts_at,
            "duration_minutes": self.duration_minutes,
        }

    def days(self) -> Iterator[date]:
        """Return the UTC days that the slot touches: slots that overlap share at least one."""
        day, last = self.starts_at.date(), (self.ends_at - timedelta.resolution).date()
        while day <= last:
            yield day
            day += timedelta(days=1)


def make_slot_time(property_id: UUID, when: When) -> SlotTime:
    """Return the slot of a tour at this time. Raises `Refused` if the time is not valid."""
    if when.duration_minutes > LONGEST_MINUTES:
        raise Refused("invalid_duration", f"a tour takes at most {LONGEST_MINUTES} minutes", 400)
    starts_at = when.instant.replace(microsecond=0)
    return SlotTime(property_id, starts_at, when.duration_minutes, when.time_zone)


def decode_slot_id(slot_id: UUID, property_id: UUID, time_zone: str) -> SlotTime | None:
    """Return the slot of this property with this id; None if the id is not one of its slots."""
    clear = slot_id.int >> 80
    seconds, minutes = divmod(clear, 1 << _MINUTES_BITS)
    at = _EPOCH + timedelta(seconds=seconds)
    if not (0 < minutes <= LONGEST_MINUTES and EARLIEST_YEAR < at.year < LATEST_YEAR):
        return None
    slot = SlotTime(property_id, at, minutes, time_zone)
    return slot if slot.id == slot_id else None
