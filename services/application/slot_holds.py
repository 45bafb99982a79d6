"""The use case of a visitor who holds a place in a slot while filling in a form."""

from datetime import datetime
from uuid import UUID

from services.application.slot_requests import (
    SlotRequest,
    find_slot,
    hold_id_of,
    require_offer,
    resolve_session,
)
from services.application.slots import load_session_lead
from services.application.tours import load_tour_hours, lock_slot_days, take_place
from services.application.unit_of_work import UnitOfWork
from services.application.visitor_places import (
    VisitorIdentity,
    count_holds,
    identify_taker,
    load_limits,
    lock_places,
    store_hold,
)
from services.deciders import slots
from services.deciders.decider import Refused
from services.deciders.slots import HOLD
from services.deciders.visitor_limits import count_offered_places, require_hold
from services.host import load_property


async def hold_slot(
    uow: UnitOfWork, request: SlotRequest, visitor: VisitorIdentity
) -> tuple[UUID, datetime]:
    """Hold a place for a visitor; return the hold and its end. Raises `Refused`."""
    visitor = await resolve_session(uow, visitor)
    host_property = await load_property(uow.conn, uow.scope.property_id)
    hours = await load_tour_hours(uow)
    slot = find_slot(request, host_property, hours)
    hold_id = hold_id_of(slot, visitor)
    if hold_id is None:
        raise Refused("no_visitor", "X-Visitor-ID or a sessionId is needed", 400)
    await lock_places(uow)
    await lock_slot_days(uow, [slot])
    await load_session_lead(uow, visitor)
    await require_offer(uow, slot, hours, hold_id)
    taker = await identify_taker(uow, visitor)
    limits = await load_limits(uow)
    held = await count_holds(uow, taker, hold_id)
    offered_places = count_offered_places(slot, hours, uow.scope.at)
    require_hold(limits, held, limits.max_held_places(offered_places))
    expires_at = uow.scope.at + HOLD
    await take_place(
        uow, slot, hold_id, capacity=hours.capacity, session_id=visitor.session_id,
        expires_at=expires_at,
    )  # fmt: skip
    holds = (await uow.load(slots.decider, slot.id))[slot.id].holds
    expires_at = holds[hold_id].expires_at or expires_at
    await store_hold(uow, taker, hold_id, expires_at)
    return hold_id, expires_at
