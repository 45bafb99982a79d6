"""Routes of the slots that visitors see, and of the tours that they book in them."""

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from events.widgets import TOUR_SOURCE
from projections import slots as slot_rows
from services.api.auth.row_security import read_as
from services.api.auth.widget_authentication import WidgetVisitor
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.day_range import parse_day_range
from services.api.error_codes import (
    CONTACT,
    NO_EMAIL,
    RANGE,
    SLOT,
    SLOT_CAPACITY,
    SUBJECT,
    TOUR_LIMIT,
    TOUR_TIME,
    TOURS_ENABLED,
    error_responses,
)
from services.api.idempotency import CHECK_IDEMPOTENCY_KEY
from services.api.problems import Problem
from services.api.rate_limit.limits import limit_contacts
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import ResponseBody, execute_write, json_response
from services.api.schemas.schema import IsoDay
from services.api.schemas.slots import SlotBookingRequest, SlotBookingResponse, SlotListResponse
from services.api.session_conversations import list_conversation_ids
from services.api.slot_places import SlotPlaces, count_free_places
from services.application.invitations import build_invitation, build_links
from services.application.slot_requests import SlotRequest, tours_disabled
from services.application.slots import BookingRequest, book_slot
from services.application.tours import load_tour_hours
from services.application.unit_of_work import UnitOfWork
from services.application.visitor_places import VisitorIdentity
from services.deciders.local_time import load_zone
from services.deciders.message_values import format_date, format_time
from services.deciders.slot_schedule import OFFERED_DAYS, list_slots
from services.host import load_property

router = APIRouter(prefix="/api/lumaleasing/tours", tags=["widget"])


@router.get(
    "", summary="List the slots for tours", response_model=SlotListResponse,
    responses=error_responses(TOURS_ENABLED, RANGE, TOUR_TIME), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_available_slots(
    request: Request,
    caller: WidgetVisitor,
    start: Annotated[IsoDay | None, Query(alias="startDate")] = None,
    end: Annotated[IsoDay | None, Query(alias="endDate")] = None,
) -> Response:
    """Return future slots by day of the property's time zone.

    Without dates, the range is today and the following 14 days.
    """
    context = context_of(request)
    now = context.clock.now()
    async with context.pool.acquire() as conn:
        uow = UnitOfWork(conn, caller.scope(caller.property_id, now), None)  # type: ignore[arg-type]
        host_property = await load_property(uow.conn, caller.property_id)
        hours = await load_tour_hours(uow)
    if not hours.enabled:
        raise tours_disabled()
    today = now.astimezone(load_zone(host_property.time_zone)).date()
    first, last = parse_day_range(start or today, end, OFFERED_DAYS, ("startDate", "endDate"))
    slots = list_slots(host_property.property_id, host_property.time_zone, hours, first, last)
    async with read_as(context.pool, caller.claims) as conn:
        rows = await conn.all(slot_rows.between(host_property.property_id, first, last))
    future_slots = [slot for slot in slots if slot.starts_at > now]
    return json_response({
        "slots": _group_by_day(count_free_places(future_slots, hours, rows, now)),
        "tourDuration": hours.duration_minutes,
    })  # fmt: skip


@router.post(
    "", status_code=201, summary="Book a tour in a slot", response_model=SlotBookingResponse,
    responses=error_responses(
        TOURS_ENABLED, SLOT, NO_EMAIL, CONTACT, SUBJECT, TOUR_TIME, SLOT_CAPACITY, TOUR_LIMIT
    ),
    dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def book_widget_tour(
    request: Request,
    caller: WidgetVisitor,
    parsed: Annotated[ParsedBody[SlotBookingRequest], Depends(BodyParser(SlotBookingRequest))],
) -> Response:
    """Book a tour. The visitor or session that booked gets the same tour again.

    A contact has three future tours at most; further ones need the leasing team.
    """
    body, context = parsed.body, context_of(request)
    if not body.email:
        raise Problem(400, "no_email", "email is missing: send the visitor's e-mail address")
    await limit_contacts(request, caller, body.session_id, body.email, body.phone)
    conversation_ids = await list_conversation_ids(
        context, caller, body.session_id, body.conversation_id
    )

    async def work(uow: UnitOfWork) -> ResponseBody:
        host_property = await load_property(uow.conn, caller.property_id)
        details, unread = body.read_details(TOUR_SOURCE, host_property)
        row, host_property = await book_slot(
            uow,
            SlotRequest(body.slot_id, body.tour_date, body.tour_time, body.fold),
            VisitorIdentity(
                caller.visitor_hash,
                body.session_id,
                conversation_ids,
                caller.verified_session_id,
                caller.network,
            ),
            details,
            BookingRequest(body.tour_type, body.special_requests, unread),
        )
        invitation = build_invitation(row, host_property, details.email)
        day, time = format_date(row["tour_date"]), format_time(row["tour_time"])
        return {
            "success": True,
            "booking": {
                "id": row["id"],
                "date": row["tour_date"],
                "time": f"{row['tour_time']:%H:%M}",
                "status": row["status"],
            },
            "message": f"Your tour is booked for {day} at {time}.",
            "calendar": build_links(invitation),
        }

    return await execute_write(request, caller, caller.property_id, parsed.raw, work, 201)


def _group_by_day(places: Iterable[SlotPlaces]) -> dict[str, list[dict[str, Any]]]:
    """Return the slots by local day, each with its availability."""
    slots_by_day: dict[str, list[dict[str, Any]]] = {}
    for slot, free_places, _ in places:
        fields = slot.event_fields
        slots_by_day.setdefault(fields["slot_date"].isoformat(), []).append({
            "id": slot.id, "date": fields["slot_date"],
            "startTime": f"{fields['start_time']:%H:%M}", "endTime": f"{fields['end_time']:%H:%M}",
            "available": free_places > 0,
        })  # fmt: skip
    return slots_by_day
