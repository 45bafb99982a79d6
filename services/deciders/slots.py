"""Slots: places for tours are held a while, taken, left, and never more than there are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeAlias, assert_never
from uuid import UUID

from events.event import Event
from events.record import Stream
from events.slots import SlotClosed, SlotHeld, SlotOpened, SlotReleased
from services.deciders.decider import Decider, Refused
from services.deciders.fields import without_nulls
from services.deciders.slot_times import SlotTime

HOLD = timedelta(minutes=10)

Taken: TypeAlias = tuple[datetime, datetime, int]
"""From when to when how many places are taken."""


@dataclass(frozen=True, slots=True)
class TakePlace:
    """Take a place: for a tour for good, else until `expires_at`; `at` is now.

    `overlapping` are the other slots of the property that share time with this one: what is taken
    there is taken here too. `instead_of` is a hold that ends with it.
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
class LeavePlace:
    """Give a place back."""

    slot_id: UUID
    hold_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class CloseSlot:
    """No further tours here."""

    slot_id: UUID
    reason: str | None = None


Command: TypeAlias = TakePlace | LeavePlace | CloseSlot


@dataclass(frozen=True, slots=True)
class Hold:
    """A place that is taken; for good where `expires_at` is null."""

    tour_id: UUID | None = None
    expires_at: datetime | None = None

    def is_live(self, at: datetime) -> bool:
        return self.expires_at is None or self.expires_at > at


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot as it stands; one that was never opened has no time."""

    starts_at: datetime | None = None
    ends_at: datetime | None = None
    capacity: int = 0
    closed: bool = False
    holds: Mapping[UUID, Hold] = field(default_factory=dict)

    def taken(self, at: datetime, *without: UUID | None) -> int:
        """How many places are taken at the instant `at`."""
        return sum(hold.is_live(at) for key, hold in self.holds.items() if key not in without)


Slots: TypeAlias = Mapping[UUID, Slot]


def streams(command: Command) -> Sequence[Stream]:
    match command:
        case TakePlace():
            return [Stream("slot", each) for each in (command.slot.id, *command.overlapping)]
        case LeavePlace() | CloseSlot():
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
            hold = Hold(event.tour_id, event.expires_at)
            slot = replace(slot, holds={**slot.holds, event.hold_id: hold})
        case SlotReleased():
            holds = {key: hold for key, hold in slot.holds.items() if key != event.hold_id}
            slot = replace(slot, holds=holds)
        case SlotClosed():
            slot = replace(slot, closed=True)
        case _:
            return state
    return {**state, event.slot_id: slot}


def most_taken(slot: SlotTime, others: Iterable[Taken]) -> int:
    """How many places are taken at the fullest moment of a slot."""
    inside = [one for one in others if one[0] < slot.ends_at and one[1] > slot.starts_at]
    moments = {slot.starts_at, *(max(start, slot.starts_at) for start, _, _ in inside)}
    return max(
        sum(places for start, end, places in inside if start <= moment < end) for moment in moments
    )


def decide(command: Command, state: Slots) -> list[Event]:
    match command:
        case TakePlace():
            return _take(command, state)
        case LeavePlace():
            hold = state.get(command.slot_id, Slot()).holds.get(command.hold_id)
            return [] if hold is None else [_released(command.slot_id, command.hold_id, hold,
                                                      command.reason)]  # fmt: skip
        case CloseSlot():
            slot = state.get(command.slot_id, Slot())
            if slot.closed or slot.starts_at is None:
                return []
            said = without_nulls(slot_id=command.slot_id, reason=command.reason)
            return [SlotClosed.model_validate(said)]
        case _:
            assert_never(command)


def _take(command: TakePlace, state: Slots) -> list[Event]:
    time, at = command.slot, command.at
    slot = state.get(time.id, Slot())
    held = slot.holds.get(command.hold_id)
    if held is not None and held.is_live(at):
        return []
    _demand_place(command, slot, state)
    said = {**time.said, "capacity": command.capacity}
    known = slot.starts_at is not None and slot.capacity == command.capacity
    events: list[Event] = [] if known else [SlotOpened.model_validate(said)]
    for key, hold in slot.holds.items():
        if not hold.is_live(at):
            events.append(_released(time.id, key, hold, "expired"))
        elif key == command.instead_of:
            events.append(_released(time.id, key, hold, "booked"))
    taken = without_nulls(
        slot_id=time.id, hold_id=command.hold_id, tour_id=command.tour_id,
        session_id=command.session_id, expires_at=command.expires_at,
    )  # fmt: skip
    return [*events, SlotHeld.model_validate(taken)]


def _demand_place(command: TakePlace, slot: Slot, state: Slots) -> None:
    """Raises `Refused`."""
    time, at = command.slot, command.at
    if slot.closed:
        raise Refused("slot_closed", "there are no further tours at this time")
    mine = slot.taken(at, command.hold_id, command.instead_of)
    taken: list[Taken] = [(time.starts_at, time.ends_at, mine)]
    for key in command.overlapping:
        other = state.get(key, Slot())
        if other.starts_at is not None and other.ends_at is not None:
            without = (command.hold_id, command.instead_of)
            taken.append((other.starts_at, other.ends_at, other.taken(at, *without)))
    if most_taken(time, taken) >= command.capacity:
        raise Refused("slot_full", "this time is taken: choose another")


def _released(slot_id: UUID, hold_id: UUID, hold: Hold, reason: str) -> SlotReleased:
    said = {"slot_id": slot_id, "hold_id": hold_id, "reason": reason}
    return SlotReleased.model_validate(said | without_nulls(tour_id=hold.tour_id))


def _end(event: SlotOpened) -> datetime | None:
    """None for one that ends beyond the calendar."""
    try:
        return event.starts_at + timedelta(minutes=event.duration_minutes)
    except OverflowError:
        return None


_NONE: Slots = {}
decider: Decider[Command, Slots] = Decider(
    (TakePlace, LeavePlace, CloseSlot), streams, _NONE, evolve, decide
)
