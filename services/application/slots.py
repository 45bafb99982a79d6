"""The use cases of visitors and slots: hold a place, and book a tour."""

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from uuid import UUID, uuid5

from uuid_utils.compat import uuid7

from events.claims import EMAIL, is_identifying
from events.record import Stream
from events.tours import TourType
from projections import tours
from services.application.leads import capture_lead
from services.application.rows import build_row
from services.application.tours import (
    execute_tour_command,
    find_tour_in_slot,
    load_tour_hours,
    lock_slot_days,
    take_place,
)
from services.application.unit_of_work import UnitOfWork
from services.application.visitor_messages import restart_session
from services.deciders import leads, sessions, slots
from services.deciders.chats import require_proof
from services.deciders.decider import Refused
from services.deciders.leads import Details
from services.deciders.local_time import When
from services.deciders.sessions import IdentifySession, StartSession
from services.deciders.slot_schedule import TourHours, is_offered
from services.deciders.slot_times import SlotTime, decode_slot_id, make_slot_time
from services.deciders.slots import HOLD
from services.deciders.tour_bookings import ScheduleTour
from services.host import HostProperty, load_property

TOUR_SOURCE = "LumaLeasing Tour Booking"


@dataclass(frozen=True, slots=True)
class SlotRequest:
    """The slot that a visitor chose: by its id, or else by date and time."""

    slot_id: UUID | None = None
    day: date | None = None
    at: time | None = None
    fold: int = 0


@dataclass(frozen=True, slots=True)
class VisitorIdentity:
    """The identity of a visitor.

    `conversations` are those of the session. `proven_session` is the session of which the client
    has a valid session token.
    """

    visitor_id: str | None
    session_id: UUID | None = None
    conversations: tuple[UUID, ...] = ()
    proven_session: UUID | None = None


@dataclass(frozen=True, slots=True)
class BookingRequest:
    """The kind of tour that a visitor wants."""

    tour_type: TourType = TourType.IN_PERSON
    notes: str | None = None


async def book_slot(
    uow: UnitOfWork,
    request: SlotRequest,
    visitor: VisitorIdentity,
    details: Details,
    booking: BookingRequest,
) -> tuple[dict[str, Any], HostProperty]:
    """Book a tour, or find the one that is booked; return its row and the property.

    Raises `Refused`.
    """
    host_property = await load_property(uow.conn, uow.scope.property_id)
    hours = await load_tour_hours(uow)
    slot = _slot(request, host_property, hours)
    await lock_slot_days(uow, [slot])
    lead_id = await _lead(uow, slot, visitor, details)
    tour_id, is_booked = await find_tour_in_slot(uow, slot, lead_id)
    if not is_booked:
        hold_id = hold_id_of(slot, visitor)
        await _require_offer(uow, slot, hours, hold_id)
        await execute_tour_command(uow, ScheduleTour(
            tour_id, lead_id, at=uow.scope.at, when=slot.when, source="widget",
            tour_type=booking.tour_type, notes=booking.notes, hold_id=hold_id,
        ))  # fmt: skip
    row = build_row(tours.projection, tour_id, await uow.history(Stream("tour", tour_id)))
    assert row is not None  # noqa: S101 — the tour is booked
    return row, host_property


async def hold_slot(
    uow: UnitOfWork, request: SlotRequest, visitor: VisitorIdentity
) -> tuple[UUID, datetime]:
    """Hold a place for a visitor; return the hold and its end. Raises `Refused`."""
    host_property = await load_property(uow.conn, uow.scope.property_id)
    hours = await load_tour_hours(uow)
    slot = _slot(request, host_property, hours)
    hold_id = hold_id_of(slot, visitor)
    if hold_id is None:
        raise Refused("no_visitor", "X-Visitor-ID or a sessionId is needed", 400)
    await lock_slot_days(uow, [slot])
    await _session_lead(uow, visitor)
    await _require_offer(uow, slot, hours, hold_id)
    expires_at = uow.scope.at + HOLD
    await take_place(
        uow, slot, hold_id, capacity=hours.capacity, session_id=visitor.session_id,
        expires_at=expires_at,
    )  # fmt: skip
    holds = (await uow.load(slots.decider, slot.id))[slot.id].holds
    return hold_id, holds[hold_id].expires_at or expires_at


def hold_id_of(slot: SlotTime, visitor: VisitorIdentity) -> UUID | None:
    """Return the id of the visitor's only hold of a slot; None for an anonymous visitor."""
    name = visitor.visitor_id or visitor.session_id
    return None if name is None else uuid5(slot.id, f"hold/{name}")


def _slot(request: SlotRequest, host_property: HostProperty, hours: TourHours) -> SlotTime:
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


async def _require_offer(
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


async def _lead(
    uow: UnitOfWork, slot: SlotTime, visitor: VisitorIdentity, details: Details
) -> UUID:
    """Return the lead of the tour: captured, or found by its e-mail, its phone or its session.

    With details that identify nobody, the same visitor gets the same lead again.
    """
    session_lead = await _session_lead(uow, visitor)
    lead_id = uuid7()
    if visitor.visitor_id is not None and not is_identifying(EMAIL, details.email or ""):
        lead_id = uuid5(slot.id, f"lead/{visitor.visitor_id}/{details.email}")
        survivor = await uow.surviving_lead(lead_id)
        exists = (await uow.load(leads.decider, survivor)).exists
        session_lead = session_lead or (lead_id if exists else None)
    lead_id = await capture_lead(
        uow, details, lead_id=lead_id, session_id=visitor.session_id, session_lead=session_lead
    )
    if visitor.session_id is not None:
        await uow.execute(IdentifySession(
            visitor.session_id, lead_id, visitor.conversations, visitor.visitor_id
        ))  # fmt: skip
    return lead_id


async def _session_lead(uow: UnitOfWork, visitor: VisitorIdentity) -> UUID | None:
    """Return the lead of the visitor's session; start the session if necessary.

    Raises `Refused`.
    """
    if visitor.session_id is None:
        return None
    start = StartSession(visitor.session_id, visitor.visitor_id)
    session = (await uow.load(sessions.decider, visitor.session_id)).sessions.get(
        visitor.session_id
    )
    require_proof(session, visitor.session_id, visitor.proven_session)
    await uow.execute(start)
    await restart_session(uow, start)
    return session.lead_id if session else None


def tours_disabled() -> Refused:
    return Refused("tours_off", "tours cannot be booked here", 404)


def _no_slot() -> Refused:
    return Refused("no_slot", "there is no such slot: list the slots again", 400)
