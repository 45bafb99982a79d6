"""Routes of the slots that visitors see, and of the tours that they book in them."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
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
from services.api.reading import ResultRow
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import ResponseBody, execute_write, json_response
from services.api.schemas.schema import IsoDay
from services.api.schemas.slots import SlotBookingRequest, SlotBookingResponse, SlotListResponse
from services.api.session_conversations import list_conversation_ids
from services.application.invitations import build_invitation, build_links
from services.application.slot_requests import SlotRequest, tours_disabled
from services.application.slots import BookingRequest, book_slot
from services.application.tours import load_tour_hours
from services.application.unit_of_work import UnitOfWork
from services.application.visitor_places import VisitorIdentity
from services.deciders.local_time import EARLIEST_YEAR, LATEST_YEAR, load_zone
from services.deciders.message_values import format_date, format_time
from services.deciders.slot_schedule import OFFERED_DAYS, TourHours, list_slots
from services.deciders.slot_times import SlotTime
from services.deciders.slots import OccupiedSpan, compute_peak_occupancy
from services.host import load_property

MAX_DAYS = 92

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
    first, last = _date_range(start, end, today)
    slots = list_slots(host_property.property_id, host_property.time_zone, hours, first, last)
    async with read_as(context.pool, caller.claims) as conn:
        rows = await conn.all(slot_rows.between(host_property.property_id, first, last))
    future_slots = [slot for slot in slots if slot.starts_at > now]
    return json_response({
        "slots": _group_by_day(future_slots, hours, rows, now),
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


def _date_range(start: date | None, end: date | None, today: date) -> tuple[date, date]:
    """Return the first and the last day. Raise 400 for a range that is reversed or too long."""
    first = start or today
    # Checked before days are added: dates near year 9999 would overflow.
    if EARLIEST_YEAR < first.year < LATEST_YEAR:
        last = end or first + timedelta(days=OFFERED_DAYS)
        if 0 <= (last - first).days < MAX_DAYS:
            return first, last
    raise Problem(
        400, "invalid_range",
        f"the range from {first} to {end or 'its default end'} is not valid: send a startDate "
        f"that is not after endDate, and at most {MAX_DAYS} days",
    )  # fmt: skip


def _group_by_day(
    slots: Iterable[SlotTime], hours: TourHours, rows: Iterable[ResultRow], now: datetime
) -> dict[str, list[dict[str, Any]]]:
    """Return the slots by local day, each with its availability. `rows` are stored slots."""
    occupied, closed_ids = _occupied_spans(rows, now)
    slots_by_day: dict[str, list[dict[str, Any]]] = {}
    for slot in slots:
        fields = slot.event_fields
        overlapping = {span for day in slot.days() for span in occupied[day]}
        is_free = compute_peak_occupancy(slot, overlapping) < hours.capacity
        slots_by_day.setdefault(fields["slot_date"].isoformat(), []).append({
            "id": slot.id, "date": fields["slot_date"],
            "startTime": f"{fields['start_time']:%H:%M}", "endTime": f"{fields['end_time']:%H:%M}",
            "available": slot.id not in closed_ids and is_free,
        })  # fmt: skip
    return slots_by_day


def _occupied_spans(
    rows: Iterable[ResultRow], now: datetime
) -> tuple[dict[date, list[OccupiedSpan]], set[Any]]:
    """Return the occupied spans by UTC day, and the ids of closed slots.

    A span that passes midnight is listed under both days. Slots of other lengths overlap with it,
    so it cannot be found by slot id.
    """
    occupied: dict[date, list[OccupiedSpan]] = defaultdict(list)
    closed_ids = set()
    for row in rows:
        if row.status == "closed":
            closed_ids.add(row.id)
        if places := slot_rows.count_held_places(row.holds, now):
            ends_at = row.starts_at + timedelta(minutes=row.duration_minutes)
            for day in {row.starts_at.date(), ends_at.date()}:
                occupied[day].append((row.starts_at, ends_at, places))
    return occupied, closed_ids
