"""The decider of slots: places are held, taken and released, never more than the capacity."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeAlias, assert_never
from uuid import UUID

from events.event import Event
from events.record import Stream
from events.slots import SlotClosed, SlotHeld, SlotOpened, SlotReleased
from services.deciders.decider import Decider, Refused
from services.deciders.slot_times import SlotTime

HOLD = timedelta(minutes=10)

OccupiedSpan: TypeAlias = tuple[datetime, datetime, int]
"""(start, end, number of places occupied in between)."""


@dataclass(frozen=True, slots=True)
class TakePlace:
    """Take a place: for a tour for good, or else until `expires_at`; `at` is now.

    `overlapping` are the other slots of the property that overlap this one: a place occupied there
    is occupied here too. `instead_of` is a hold that this one replaces.
    """

    slot: SlotTime
    hold_id: UUID
    at: datetime
    capacity: int
    tour_id: UUID | None = None
    session_id: UUID | None = None
    expires_at: datetime | None = None
    overlapping: tuple[UUID, ...] = ()
    instead_of: UUID | None = None


@dataclass(frozen=True, slots=True)
class ReleasePlace:
    """Release a place."""

    slot_id: UUID
    hold_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class CloseSlot:
    """Allow no further tours in the slot."""

    slot_id: UUID
    reason: str | None = None


Command: TypeAlias = TakePlace | ReleasePlace | CloseSlot


@dataclass(frozen=True, slots=True)
class Hold:
    """A place that is taken; without `expires_at` it is taken for good."""

    tour_id: UUID | None = None
    expires_at: datetime | None = None
    session_id: UUID | None = None

    def is_live(self, at: datetime) -> bool:
        return self.expires_at is None or self.expires_at > at


@dataclass(frozen=True, slots=True)
class Slot:
    """The state of a slot; one that was never opened has no times."""

    starts_at: datetime | None = None
    ends_at: datetime | None = None
    capacity: int = 0
    closed: bool = False
    holds: Mapping[UUID, Hold] = field(default_factory=dict)

    def count_places(self, at: datetime, *without: UUID | None) -> int:
        """Return how many places are taken at an instant, apart from the holds `without`."""
        return sum(hold.is_live(at) for key, hold in self.holds.items() if key not in without)


Slots: TypeAlias = Mapping[UUID, Slot]


def streams(command: Command) -> Sequence[Stream]:
    match command:
        case TakePlace():
            return [Stream("slot", key) for key in (command.slot.id, *command.overlapping)]
        case ReleasePlace() | CloseSlot():
            return [Stream("slot", command.slot_id)]
        case _:
            assert_never(command)


def evolve(state: Slots, event: Event) -> Slots:
    slot = state.get(event.stream_id, Slot())
    match event:
        case SlotOpened():
            slot = replace(
                slot, starts_at=event.starts_at, ends_at=_end(event), capacity=event.capacity
            )
        case SlotHeld():
            hold = Hold(event.tour_id, event.expires_at, event.session_id)
            slot = replace(slot, holds={**slot.holds, event.hold_id: hold})
        case SlotReleased():
            holds = {key: hold for key, hold in slot.holds.items() if key != event.hold_id}
            slot = replace(slot, holds=holds)
        case SlotClosed():
            slot = replace(slot, closed=True)
        case _:
            return state
    return {**state, event.slot_id: slot}


def compute_peak_occupancy(slot: SlotTime, others: Iterable[OccupiedSpan]) -> int:
    """Return how many places are occupied at the fullest moment of a slot."""
    inside = [span for span in others if span[0] < slot.ends_at and span[1] > slot.starts_at]
    # The number only grows where a span starts, so the maximum is at one of the starts.
    moments = {slot.starts_at, *(max(start, slot.starts_at) for start, _, _ in inside)}
    return max(
        sum(places for start, end, places in inside if start <= moment < end) for moment in moments
    )


def decide(command: Command, state: Slots) -> list[Event]:
    match command:
        case TakePlace():
            return _take(command, state)
        case ReleasePlace():
            hold = state.get(command.slot_id, Slot()).holds.get(command.hold_id)
            if hold is None:
                return []
            return [_released(command.slot_id, command.hold_id, hold, command.reason)]
        case CloseSlot():
            slot = state.get(command.slot_id, Slot())
            if slot.closed or slot.starts_at is None:
                return []
            return [SlotClosed(slot_id=command.slot_id, reason=command.reason)]
        case _:
            assert_never(command)


def _take(command: TakePlace, state: Slots) -> list[Event]:
    time, at = command.slot, command.at
    slot = state.get(time.id, Slot())
    hold = slot.holds.get(command.hold_id)
    if hold is not None and hold.is_live(at):
        return []
    _require_place(command, slot, state)
    events: list[Event] = []
    if slot.starts_at is None or slot.capacity != command.capacity:
        events.append(SlotOpened(**time.event_fields, capacity=command.capacity))
    for key, other in slot.holds.items():
        if not other.is_live(at):
            events.append(_released(time.id, key, other, "expired"))
        elif key == command.instead_of:
            events.append(_released(time.id, key, other, "booked"))
    events.append(SlotHeld(
        slot_id=time.id, hold_id=command.hold_id, tour_id=command.tour_id,
        session_id=command.session_id, expires_at=command.expires_at,
    ))  # fmt: skip
    return events


def _require_place(command: TakePlace, slot: Slot, state: Slots) -> None:
    """Raise `Refused` if the slot is closed, or full at any moment, overlapping slots included."""
    time, at = command.slot, command.at
    if slot.closed:
        raise slot_closed()
    own = (command.hold_id, command.instead_of)
    spans: list[OccupiedSpan] = [(time.starts_at, time.ends_at, slot.count_places(at, *own))]
    for key in command.overlapping:
        other = state.get(key, Slot())
        if other.starts_at is not None and other.ends_at is not None:
            spans.append((other.starts_at, other.ends_at, other.count_places(at, *own)))
    if compute_peak_occupancy(time, spans) >= command.capacity:
        raise slot_full()


def slot_closed() -> Refused:
    return Refused("slot_closed", "there are no further tours at this time")


def slot_full() -> Refused:
    return Refused("slot_full", "this time is fully booked: choose another")


def _released(slot_id: UUID, hold_id: UUID, hold: Hold, reason: str) -> SlotReleased:
    return SlotReleased(slot_id=slot_id, hold_id=hold_id, reason=reason, tour_id=hold.tour_id)


def _end(event: SlotOpened) -> datetime | None:
    """Return the end of the slot; None if it is beyond the last representable instant."""
    try:
        return event.starts_at + timedelta(minutes=event.duration_minutes)
    except OverflowError:
        return None


_NO_SLOTS: Slots = {}
decider: Decider[Command, Slots] = Decider(
    "slot", (TakePlace, ReleasePlace, CloseSlot), streams, _NO_SLOTS, evolve, decide
)
