"""The slot that a visitor asks for: found by id or time, and checked against the offered hours."""

from dataclasses import dataclass, replace
from datetime import date, time
from uuid import UUID, uuid5

from services.application.client_ids import resolve_session_id
from services.application.unit_of_work import UnitOfWork
from services.application.visitor_places import VisitorIdentity
from services.deciders import slots
from services.deciders.decider import Refused
from services.deciders.local_time import When
from services.deciders.slot_schedule import TourHours, is_offered
from services.deciders.slot_times import SlotTime, decode_slot_id, make_slot_time
from services.host import HostProperty


@dataclass(frozen=True, slots=True)
class SlotRequest:
    """The slot that a visitor chose: by its id, or else by date and time."""

    slot_id: UUID | None = None
    day: date | None = None
    at: time | None = None
    fold: int = 0


def find_slot(request: SlotRequest, host_property: HostProperty, hours: TourHours) -> SlotTime:
    """Return the time of the slot. Raises `Refused` if the request names no possible slot."""
    if not hours.enabled:
        raise tours_disabled()
    if request.slot_id is not None:
        slot = decode_slot_id(request.slot_id, host_property.property_id, host_property.time_zone)
        if slot is None:
            raise _no_slot()
        return slot
    if request.day is None or request.at is None:
        raise Refused("no_slot", "a slotId, or a tourDate and a tourTime, are needed", 400)
    when = When(
        request.day, request.at, host_property.time_zone, request.fold, hours.duration_minutes
    )
    return make_slot_time(host_property.property_id, when)


async def resolve_session(uow: UnitOfWork, visitor: VisitorIdentity) -> VisitorIdentity:
    """Return the visitor with the stored id of the session that the client named."""
    if visitor.session_id is None:
        return visitor
    return replace(visitor, session_id=await resolve_session_id(uow, visitor.session_id))


async def require_offer(
    uow: UnitOfWork, slot: SlotTime, hours: TourHours, hold_id: UUID | None
) -> None:
    """Raise `Refused` unless the hours offer the slot, or the visitor has a live hold of it.

    So a change of the hours does not end a hold that was given before it.
    """
    if slot.starts_at <= uow.scope.at:
        raise Refused("tour_in_past", "a tour cannot be booked for a time that has passed", 400)
    if is_offered(slot, hours):
        return
    state = (await uow.load(slots.decider, slot.id)).get(slot.id)
    hold = state.holds.get(hold_id) if state and hold_id else None
    if hold is None or not hold.is_live(uow.scope.at):
        raise _no_slot()


async def require_open(uow: UnitOfWork, slot: SlotTime) -> None:
    """Raise `Refused` if an agent has closed the slot."""
    state = (await uow.load(slots.decider, slot.id)).get(slot.id)
    if state is not None and state.closed:
        raise slots.slot_closed()


def hold_id_of(slot: SlotTime, visitor: VisitorIdentity) -> UUID | None:
    """Return the id of the visitor's only hold of a slot; None for an anonymous visitor."""
    name = visitor.visitor_hash or visitor.session_id
    return None if name is None else uuid5(slot.id, f"hold/{name}")


def tours_disabled() -> Refused:
    return Refused("tours_off", "tours cannot be booked here", 404)


def _no_slot() -> Refused:
    return Refused("no_slot", "there is no such slot: list the slots again", 400)
