"""Routes of a lead's tours in the console."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from projections import tours
from services.api.auth.console_authentication import ConsoleReader, ConsoleWriter
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.error_codes import (
    NOT_FOUND,
    SLOT_CAPACITY,
    STAFF,
    SUBJECT,
    TOUR,
    TOUR_TIME,
    error_responses,
)
from services.api.idempotency import CHECK_IDEMPOTENCY_KEY
from services.api.lead_rows import build_surviving_lead_row
from services.api.property_lookup import load_surviving_lead, property_of_lead
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import ResponseBody, execute_write, json_response
from services.api.schemas import example
from services.api.schemas.schema import LeadId, SuccessResponse
from services.api.schemas.tours import (
    TourBookingResponse,
    TourChangeRequest,
    TourListResponse,
    TourRequest,
    TourResponse,
    WaitingTourResponse,
)
from services.api.tour_changes import build_tour_row, execute_tour_changes
from services.application.tours import (
    execute_tour_command,
    find_tour_in_slot,
    load_tour_hours,
    lock_slot_days,
)
from services.application.unit_of_work import UnitOfWork
from services.deciders.local_time import When
from services.deciders.slot_times import make_slot_time
from services.deciders.tour_bookings import ScheduleTour
from services.deciders.tour_outcomes import CancelTour
from services.host import load_property

LEAD_FIELDS = ("id", "first_name", "last_name", "email", "phone", "property_id")

router = APIRouter(prefix="/api/leads/{lead_id}/tours", tags=["tours"])


@router.get(
    "", summary="List the tours of a lead", response_model=TourListResponse,
    responses=error_responses(NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_tours(request: Request, caller: ConsoleReader, lead_id: LeadId) -> Response:
    async with read_as(context_of(request).pool, caller.claims) as conn:
        lead = await load_surviving_lead(conn, caller, lead_id)
        rows = await conn.all(tours.of_leads(caller.org_id, lead["members"]))
    return json_response(
        {"tours": [_with_agent(dict(row)) for row in rows],
         "lead": {name: lead[name] for name in LEAD_FIELDS}}
    )  # fmt: skip


@router.post(
    "", status_code=201, summary="Book a tour for a lead", response_model=TourBookingResponse,
    responses=error_responses(SUBJECT, TOUR_TIME, STAFF, SLOT_CAPACITY),
    dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def book_tour(
    request: Request,
    caller: ConsoleWriter,
    lead_id: LeadId,
    parsed: Annotated[ParsedBody[TourRequest], Depends(BodyParser(TourRequest))],
) -> Response:
    """Book a tour. The same lead in the same slot gets the same tour again."""
    body = parsed.body
    property_id = await property_of_lead(context_of(request), caller, lead_id)

    async def work(uow: UnitOfWork) -> ResponseBody:
        host_property = await load_property(uow.conn, property_id)
        minutes = (await load_tour_hours(uow)).duration_minutes
        when = When(body.tour_date, body.tour_time, host_property.time_zone, body.fold, minutes)
        slot = make_slot_time(property_id, when)
        # Locked before the slot is read: bookings for one day queue here instead of conflicting.
        await lock_slot_days(uow, [slot], body.assigned_agent_id)
        tour_id, is_booked = await find_tour_in_slot(uow, slot, lead_id)
        if not is_booked:
            await execute_tour_command(uow, ScheduleTour(
                tour_id, lead_id, at=uow.scope.at, source="console", when=when,
                tour_type=body.tour_type, notes=body.notes or None,
                assigned_agent_id=body.assigned_agent_id, created_by=caller.id,
                send_confirmation=body.send_confirmation,
            ))  # fmt: skip
        lead = await build_surviving_lead_row(uow, lead_id) or {}
        return {
            "tour": await build_tour_row(uow, tour_id),
            "lead": {name: lead.get(name) for name in LEAD_FIELDS},
        }

    return await execute_write(request, caller, property_id, parsed.raw, work, 201)


@router.patch(
    "", summary="Change a tour", response_model=TourResponse,
    responses={
        **error_responses(SUBJECT, TOUR, TOUR_TIME, STAFF, SLOT_CAPACITY),
        202: {"model": WaitingTourResponse},
    },
    dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def update_tour(
    request: Request,
    caller: ConsoleWriter,
    lead_id: LeadId,
    parsed: Annotated[ParsedBody[TourChangeRequest], Depends(BodyParser(TourChangeRequest))],
) -> Response:
    body = parsed.body
    property_id = await property_of_lead(context_of(request), caller, lead_id)

    async def work(uow: UnitOfWork) -> ResponseBody:
        await execute_tour_changes(uow, body, lead_id, caller.id)
        return {"tour": await build_tour_row(uow, body.tour_id)}

    return await execute_write(
        request, caller, property_id, parsed.raw, work, row_ids=[body.tour_id, lead_id]
    )


@router.delete(
    "", summary="Cancel a tour", response_model=SuccessResponse,
    responses=error_responses(SUBJECT, TOUR), dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def cancel_tour(
    request: Request,
    caller: ConsoleWriter,
    lead_id: LeadId,
    tour_id: Annotated[UUID, Query(alias="tourId", examples=[example.TOUR])],
) -> Response:
    property_id = await property_of_lead(context_of(request), caller, lead_id)

    async def work(uow: UnitOfWork) -> ResponseBody:
        await execute_tour_command(uow, CancelTour(tour_id, lead_id, cancelled_by=caller.id))
        return {"success": True}

    # The request has no body. The tour's id takes its place in the comparison of repetitions.
    return await execute_write(request, caller, property_id, str(tour_id).encode(), work)


def _with_agent(row: dict[str, Any]) -> dict[str, Any]:
    name, agent_id = row.pop("agent_name"), row["assigned_agent_id"]
    row["assigned_agent"] = None if agent_id is None else {"id": agent_id, "full_name": name}
    return row
