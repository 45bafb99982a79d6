"""Visitors and slots: what is offered, a place kept for a while, a tour booked by who it is for."""

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from uuid import UUID, uuid5

from uuid_utils.compat import uuid7

from events.claims import EMAIL, identifies
from events.record import Stream
from events.tours import TourType
from projections import tours
from services.application.leads import capture
from services.application.rows import row_of
from services.application.sessions import begin_anew
from services.application.tours import carry_out, hours_of, queue_for, take_place, tour_in
from services.application.unit_of_work import UnitOfWork
from services.deciders.chats import demand_proof
from services.deciders.decider import Refused
from services.deciders.leads import Details, Lead, UpdateLead
from services.deciders.local_time import When
from services.deciders.sessions import IdentifySession, StartSession
from services.deciders.slot_schedule import TourHours, is_offered
from services.deciders.slot_times import SlotTime, slot_behind, slot_of
from services.deciders.slots import HOLD, CloseSlot, Slots
from services.deciders.tour_bookings import ScheduleTour
from services.host import HostProperty, load_property

TOUR_SOURCE = "LumaLeasing Tour Booking"


@dataclass(frozen=True, slots=True)
class Asked:
    """Which slot: by its id, else by date and time."""

    slot_id: UUID | None = None
    day: date | None = None
    at: time | None = None
    fold: int = 0


@dataclass(frozen=True, slots=True)
class Guest:
    """Who asks, as far as it is known; `conversations` are those of the session, and `proven` is
    the session that a token proved to be the guest's."""

    visitor_id: str | None
    session_id: UUID | None = None
    conversations: tuple[UUID, ...] = ()
    proven: UUID | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What the guest wants of a tour."""

    tour_type: TourType = TourType.IN_PERSON
    notes: str | None = None


async def book_visit(
    uow: UnitOfWork, asked: Asked, guest: Guest, details: Details, wish: Wish
) -> tuple[dict[str, Any], HostProperty]:
    """The row of the tour that is booked, or was already, and its house. Raises `Refused`."""
    host_property, hours = await load_property(uow.conn, uow.scope.property_id), await hours_of(uow)
    slot = _slot(asked, host_property, hours)
    await queue_for(uow, [slot])
    lead_id = await _lead(uow, slot, guest, details)
    tour_id, known = await tour_in(uow, slot, lead_id)
    if not known:
        hold_id = hold_of(slot, guest)
        await _demand_offer(uow, slot, hours, hold_id)
        await carry_out(uow, ScheduleTour(
            tour_id, lead_id, at=uow.scope.at, when=slot.when, source="widget",
            tour_type=wish.tour_type, notes=wish.notes, hold_id=hold_id,
        ))  # fmt: skip
    row = row_of(tours.projection, tour_id, await uow.history(Stream("tour", tour_id)))
    assert row is not None  # noqa: S101 — it is booked
    return row, host_property


async def keep_place(uow: UnitOfWork, asked: Asked, guest: Guest) -> tuple[UUID, datetime]:
    """Keep a place for a guest; the hold and its end. Raises `Refused`."""
    host_property, hours = await load_property(uow.conn, uow.scope.property_id), await hours_of(uow)
    slot = _slot(asked, host_property, hours)
    hold_id = hold_of(slot, guest)
    if hold_id is None:
        raise Refused("no_visitor", "X-Visitor-ID or a sessionId is needed", 400)
    await queue_for(uow, [slot])
    await _session_lead(uow, guest)
    await _demand_offer(uow, slot, hours, hold_id)
    await take_place(
        uow, slot, hold_id, capacity=hours.capacity, session_id=guest.session_id,
        expires_at=uow.scope.at + HOLD,
    )  # fmt: skip
    slots: Slots = await uow.state(CloseSlot(slot.id))
    return hold_id, slots[slot.id].holds[hold_id].expires_at or uow.scope.at + HOLD


def hold_of(slot: SlotTime, guest: Guest) -> UUID | None:
    """A guest has one hold on a slot; None for somebody who cannot be told from others."""
    who = guest.visitor_id or guest.session_id
    return None if who is None else uuid5(slot.id, f"hold/{who}")


def _slot(asked: Asked, host_property: HostProperty, hours: TourHours) -> SlotTime:
    """Raises `Refused`."""
    if not hours.enabled:
        raise tours_off()
    if asked.slot_id is not None:
        slot = slot_behind(asked.slot_id, host_property.property_id, host_property.time_zone)
        if slot is None:
            raise _no_slot()
        return slot
    if asked.day is None or asked.at is None:
        raise Refused("no_slot", "a slotId, or a tourDate and a tourTime, are needed", 400)
    when = When(asked.day, asked.at, host_property.time_zone, asked.fold, hours.duration_minutes)
    return slot_of(host_property.property_id, when)


async def _demand_offer(
    uow: UnitOfWork, slot: SlotTime, hours: TourHours, hold: UUID | None
) -> None:
    """A visitor books what the hours offer, or offered when its hold began. Raises `Refused`."""
    if slot.starts_at <= uow.scope.at:
        raise Refused("tour_in_past", "a tour cannot be booked for a time that has passed", 400)
    if is_offered(slot, hours):
        return
    slots: Slots = await uow.state(CloseSlot(slot.id))
    held = slots[slot.id].holds.get(hold) if hold and slot.id in slots else None
    if held is None or not held.is_live(uow.scope.at):
        raise _no_slot()


async def _lead(uow: UnitOfWork, slot: SlotTime, guest: Guest, details: Details) -> UUID:
    """Whose tour it is: captured, or known by its e-mail, its phone, its session.

    A contact that identifies nobody is the same lead when the same visitor asks again.
    """
    session_lead = await _session_lead(uow, guest)
    lead_id = uuid7()
    if guest.visitor_id is not None and not identifies(EMAIL, details.email or ""):
        lead_id = uuid5(slot.id, f"lead/{guest.visitor_id}/{details.email}")
        before: Lead = await uow.state(UpdateLead(lead_id, {}))
        session_lead = session_lead or (lead_id if before.exists else None)
    lead_id = await capture(
        uow, details, lead_id=lead_id, session_id=guest.session_id, session_lead=session_lead
    )
    if guest.session_id is not None:
        await uow.do(IdentifySession(
            guest.session_id, lead_id, guest.conversations, guest.visitor_id
        ))  # fmt: skip
    return lead_id


async def _session_lead(uow: UnitOfWork, guest: Guest) -> UUID | None:
    """Whose the guest's session is, which begins now if it has not. Raises `Refused`."""
    if guest.session_id is None:
        return None
    start = StartSession(guest.session_id, guest.visitor_id)
    before = (await uow.state(start)).sessions.get(guest.session_id)
    demand_proof(before, guest.session_id, guest.proven)
    await uow.do(start)
    await begin_anew(uow, start)
    return before.lead_id if before else None


def tours_off() -> Refused:
    return Refused("tours_off", "tours cannot be booked here", 404)


def _no_slot() -> Refused:
    return Refused("no_slot", "there is no such slot: ask for the slots again", 400)
