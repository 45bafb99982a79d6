"""Slots: time spans for tours at a property, with a capacity."""

from collections.abc import Mapping
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from events.event import Event, Foreign
from events.fields import Day, Fold, Instant, Key, LocalTime, Number, Zone


class _SlotEvent(Event):
    """An event of a slot."""

    stream: ClassVar[str] = "slot"
    entity: ClassVar[str] = "slot_id"
    requires: ClassVar[Mapping[str, str]] = {"slot_id": "slot"}

    slot_id: UUID


class SlotOpened(_SlotEvent):
    """A slot was opened, or its capacity changed."""

    name: ClassVar[str] = "slot.opened"
    begins: ClassVar[bool] = True
    requires: ClassVar[Mapping[str, str]] = {}

    slot_date: Day
    start_time: LocalTime
    end_time: LocalTime
    time_zone: Zone
    fold: Fold
    starts_at: Instant
    duration_minutes: Number
    capacity: Annotated[Number, Field(description="Number of tours that can start in the slot.")]


class SlotHeld(_SlotEvent):
    """A place was reserved for a time, or booked by a tour."""

    name: ClassVar[str] = "slot.held"
    requires: ClassVar[Mapping[str, str]] = {"slot_id": "slot", "session_id": "session"}
    optional_ids: ClassVar[frozenset[str]] = frozenset({"tour_id"})

    hold_id: Foreign
    tour_id: UUID | None = None
    session_id: UUID | None = None
    expires_at: Annotated[
        Instant | None, Field(description="End of the slot hold; null where a tour has the place.")
    ] = None


class SlotReleased(_SlotEvent):
    """A place became free."""

    name: ClassVar[str] = "slot.released"
    optional_ids: ClassVar[frozenset[str]] = frozenset({"tour_id"})

    hold_id: Foreign
    tour_id: UUID | None = None
    reason: Annotated[Key, Field(description="Key such as `expired`, `cancelled`, `rescheduled`.")]


class SlotClosed(_SlotEvent):
    """The slot was closed for further tours; booked tours remain."""

    name: ClassVar[str] = "slot.closed"

    reason: Key | None = None
