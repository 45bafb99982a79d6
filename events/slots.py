"""Places for tours: opened by the property's hours, held for a while, taken or closed."""

from typing import ClassVar
from uuid import UUID

from events.event import Event, Foreign
from events.fields import Day, Fold, Instant, LocalTime, Number, Word, Zone


class _SlotEvent(Event):
    """The stream of one slot."""

    stream: ClassVar[str] = "slot"
    entity: ClassVar[str] = "slot_id"

    slot_id: UUID


class SlotOpened(_SlotEvent):
    """`capacity` tours can start here."""

    name: ClassVar[str] = "slot.opened"

    slot_date: Day
    start_time: LocalTime
    end_time: LocalTime
    time_zone: Zone
    fold: Fold
    starts_at: Instant
    duration_minutes: Number
    capacity: Number


class SlotHeld(_SlotEvent):
    """One place is taken: until `expires_at`, or for good by `tour_id` where that is null."""

    name: ClassVar[str] = "slot.held"

    hold_id: Foreign
    tour_id: UUID | None = None
    session_id: UUID | None = None
    expires_at: Instant | None = None


class SlotReleased(_SlotEvent):
    """A place is free again; `reason` is a key such as `expired`, `cancelled`, `rescheduled`."""

    name: ClassVar[str] = "slot.released"

    hold_id: Foreign
    tour_id: UUID | None = None
    reason: Word


class SlotClosed(_SlotEvent):
    """No further tours here; those booked stay."""

    name: ClassVar[str] = "slot.closed"

    reason: Word | None = None
