"""The time of a slot: when it begins in a property and how long it lasts; its id says so too."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from services.deciders.decider import Refused
from services.deciders.local_time import EARLIEST_YEAR, LATEST_YEAR, When, zone_of

LONGEST_MINUTES = 24 * 60
_SECONDS_BITS, _MINUTES_BITS, _HASH_BITS = 37, 11, 74
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SlotTime:
    """A slot's time; `starts_at` in UTC, to the second."""

    property_id: UUID
    starts_at: datetime
    duration_minutes: int
    time_zone: str

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(minutes=self.duration_minutes)

    @property
    def id(self) -> UUID:
        """A UUID of version 8: when and how long in clear, the property as a fingerprint."""
        seconds = int((self.starts_at - _EPOCH).total_seconds())
        said = f"{self.property_id}/{seconds}/{self.duration_minutes}"
        print_ = int.from_bytes(hashlib.sha256(said.encode()).digest()) >> (256 - _HASH_BITS)
        clear = (seconds << _MINUTES_BITS) | self.duration_minutes
        low = print_ & ((1 << 62) - 1)
        return UUID(int=clear << 80 | 8 << 76 | (print_ >> 62) << 64 | 0b10 << 62 | low)

    @property
    def local(self) -> datetime:
        """The beginning on the wall clock of the zone, with its fold."""
        return self.starts_at.astimezone(zone_of(self.time_zone))

    @property
    def when(self) -> When:
        """As tours say it."""
        at = self.local
        return When(at.date(), at.time(), self.time_zone, at.fold, self.duration_minutes)

    @property
    def said(self) -> dict[str, Any]:
        """As `slot.opened` says it."""
        at, end = self.local, self.ends_at.astimezone(zone_of(self.time_zone))
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
        """The days, in UTC, that the slot touches: slots that overlap share one."""
        day, last = self.starts_at.date(), (self.ends_at - timedelta.resolution).date()
        while day <= last:
            yield day
            day += timedelta(days=1)


def slot_of(property_id: UUID, when: When) -> SlotTime:
    """The slot a tour at this time takes its place in. Raises `Refused`."""
    if when.duration_minutes > LONGEST_MINUTES:
        raise Refused("invalid_duration", "a tour takes a day at most", 400)
    starts_at = when.instant.replace(microsecond=0)
    return SlotTime(property_id, starts_at, when.duration_minutes, when.time_zone)


def slot_behind(slot_id: UUID, property_id: UUID, time_zone: str) -> SlotTime | None:
    """The slot of this property that has this id; None where there cannot be one."""
    clear = slot_id.int >> 80
    seconds, minutes = divmod(clear, 1 << _MINUTES_BITS)
    at = _EPOCH + timedelta(seconds=seconds)
    if not (0 < minutes <= LONGEST_MINUTES and EARLIEST_YEAR < at.year < LATEST_YEAR):
        return None
    found = SlotTime(property_id, at, minutes, time_zone)
    return found if found.id == slot_id else None
