"""The use case of a visitor who books a tour in a slot."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from events.ids import scoped_id
from events.record import Stream
from events.slots import SlotHeld
from events.tours import TourType
from projections import tours
from services.application.leads import capture_lead, owns_lead
from services.application.rows import build_row
from services.application.slot_requests import (
    SlotRequest,
    find_slot,
    hold_id_of,
    require_offer,
    require_open,
    resolve_session,
)
from services.application.tours import (
    execute_tour_command,
    find_tour_in_slot,
    load_tour_hours,
    lock_slot_days,
)
from services.application.unit_of_work import UnitOfWork
from services.application.visitor_messages import restart_session
from services.application.visitor_places import (
    PlaceTaker,
    VisitorIdentity,
    count_tours,
    identify_taker,
    load_limits,
    lock_places,
    store_tour,
)
from services.deciders import leads, sessions, slots
from services.deciders.chats import require_proof
from services.deciders.contacts import email_key
from services.deciders.leads import Details
from services.deciders.sessions import IdentifySession, StartSession
from services.deciders.slot_times import SlotTime
from services.deciders.tour_bookings import ScheduleTour
from services.deciders.visitor_limits import (
    exceeds_contact_limit,
    require_network_tour,
    too_many_tours,
)
from services.host import HostProperty, load_property


@dataclass(frozen=True, slots=True)
class BookingRequest:
    """The kind of tour that a visitor wants, and a note for the lead."""

    tour_type: TourType = TourType.IN_PERSON
    notes: str | None = None
    lead_note: str | None = None


async def book_slot(
    uow: UnitOfWork,
    request: SlotRequest,
    visitor: VisitorIdentity,
    details: Details,
    booking: BookingRequest,
) -> tuple[dict[str, Any], HostProperty]:
    """Book a tour, or find the one that this visitor booked; return its row and the property.

    If the lead has a tour in the slot that somebody else booked, the slot is full. The refusal is
    the same as for any other taken slot, and it comes after every check that does not depend on
    the lead. So who knows the address of a person does not learn when that person comes. Raises
    `Refused`.
    """
    visitor = await resolve_session(uow, visitor)
    host_property = await load_property(uow.conn, uow.scope.property_id)
    hours = await load_tour_hours(uow)
    slot = find_slot(request, host_property, hours)
    await lock_places(uow)
    await lock_slot_days(uow, [slot])
    lead_id = await _lead(uow, slot, visitor, details, booking.lead_note)
    tour_id, is_booked = await find_tour_in_slot(uow, slot, lead_id)
    if not (is_booked and await has_booked(uow, slot.id, visitor, tour_id)):
        hold_id = hold_id_of(slot, visitor)
        await require_offer(uow, slot, hours, hold_id)
        await require_open(uow, slot)
        taker = await identify_taker(uow, visitor)
        is_owner = await _require_tour(uow, taker, lead_id, is_booked=is_booked)
        await execute_tour_command(uow, ScheduleTour(
            tour_id, lead_id, at=uow.scope.at, when=slot.when, source="widget",
            tour_type=booking.tour_type, notes=booking.notes, hold_id=hold_id,
            session_id=visitor.session_id,
        ))  # fmt: skip
        await store_tour(
            uow, taker, tour_id, lead_id, slot.starts_at, is_owner=is_owner, instead_of=hold_id
        )
    row = build_row(tours.projection, tour_id, await uow.history(Stream("tour", tour_id)))
    assert row is not None  # noqa: S101 — the tour is booked
    return row, host_property


async def _require_tour(
    uow: UnitOfWork, taker: PlaceTaker, lead_id: UUID, *, is_booked: bool
) -> bool:
    """Raise `Refused` if the lead may not have one more tour; return whether the taker owns it.

    The limit of the network comes first, because it is the same for every lead. Only the owner of
    the lead learns that the person has many tours. For others the slot is full.
    """
    is_owner = await owns_lead(uow, taker.session_id, lead_id)
    limits = await load_limits(uow)
    tours = await count_tours(uow, taker, lead_id, is_owner=is_owner)
    require_network_tour(limits, tours)
    if is_booked:
        raise slots.slot_full()
    if exceeds_contact_limit(limits, tours):
        raise too_many_tours(tours.of_contact) if is_owner else slots.slot_full()
    return is_owner


async def has_booked(
    uow: UnitOfWork, slot_id: UUID, visitor: VisitorIdentity, tour_id: UUID
) -> bool:
    """Return whether the visitor, or the visitor's session, booked this tour in the slot."""
    first = (await uow.history(Stream("tour", tour_id)))[0]
    if visitor.visitor_hash is not None and first.actor == uow.scope.cause.actor:
        return True
    if visitor.session_id is None:
        return False
    # The history, not the state: a tour that was moved or cancelled has left the slot.
    return any(
        isinstance(held := recorded.event, SlotHeld)
        and (held.tour_id or held.hold_id, held.session_id) == (tour_id, visitor.session_id)
        for recorded in await uow.history(Stream("slot", slot_id))
    )


async def _lead(
    uow: UnitOfWork, slot: SlotTime, visitor: VisitorIdentity, details: Details, note: str | None
) -> UUID:
    """Return the lead of the tour: captured, or found by its e-mail, its phone or its session.

    With details that identify nobody, the same visitor gets the same lead again.
    """
    session_lead = await load_session_lead(uow, visitor)
    lead_id = uuid7()
    if visitor.visitor_hash is not None and email_key(details.email) is None:
        name = f"{slot.id}/{visitor.visitor_hash}/{(details.email or '').casefold()}"
        lead_id = scoped_id(uow.scope.property_id, "lead", name)
        survivor = await uow.surviving_lead(lead_id)
        exists = (await uow.load(leads.decider, survivor)).exists
        session_lead = session_lead or (lead_id if exists else None)
    lead_id = await capture_lead(
        uow,
        details,
        lead_id=lead_id,
        session_id=visitor.session_id,
        session_lead=session_lead,
        note=note,
    )
    if visitor.session_id is not None:
        await uow.execute(IdentifySession(
            visitor.session_id, lead_id, visitor.conversations, visitor.visitor_hash
        ))  # fmt: skip
    return lead_id


async def load_session_lead(uow: UnitOfWork, visitor: VisitorIdentity) -> UUID | None:
    """Return the lead of the visitor's session; start the session if necessary.

    Raises `Refused`.
    """
    if visitor.session_id is None:
        return None
    start = StartSession(visitor.session_id, visitor.visitor_hash)
    session = (await uow.load(sessions.decider, visitor.session_id)).sessions.get(
        visitor.session_id
    )
    require_proof(session, visitor.session_id, visitor.proven_session)
    await uow.execute(start)
    await restart_session(uow, start)
    return session.lead_id if session else None
