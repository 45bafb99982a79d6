"""A lead's tours: booked, moved, confirmed, held, missed or called off by the console."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from events.record import Stream
from events.tours import TourStatus
from projections import leads, tours
from services.api.auth.callers import Reader, Writer, no_such
from services.api.calendars.invite import ics, invitation
from services.api.calendars.response import CALENDAR_FILE, Calendar
from services.api.context import core_of
from services.api.error_codes import NOT_FOUND, OF_LEAD, OF_TOUR, PLACE, STAFF, WHEN, refuses
from services.api.request_body import Taken, Takes
from services.api.responses import Answer, Once, Reached, answered, written
from services.api.routes.leads import lead_row
from services.api.schemas import example
from services.api.schemas.schema import LeadId
from services.api.schemas.tours import (
    Done,
    TourBooked,
    TourChanged,
    TourChangeSent,
    Tours,
    TourSent,
)
from services.application.rows import row_of
from services.application.tours import carry_out, hours_of, queue_for, tour_in
from services.application.tours import change as change_tour
from services.application.unit_of_work import UnitOfWork
from services.deciders.decider import Refused, UnknownSubject
from services.deciders.local_time import When
from services.deciders.slot_times import slot_of
from services.deciders.tour_bookings import AmendTour, RescheduleTour, ScheduleTour
from services.deciders.tour_outcomes import (
    CancelTour,
    CompleteTour,
    ConfirmTour,
    CorrectNoShow,
    RecordNoShow,
)
from services.deciders.tours import Tour
from services.host import load_property

LEAD_FIELDS = ("id", "first_name", "last_name", "email", "phone", "property_id")

router = APIRouter(prefix="/api/leads/{lead_id}/tours", tags=["tours"])


@router.get(
    "", summary="A lead's tours", response_model=Tours, responses=refuses(NOT_FOUND),
    dependencies=[Reached],
)  # fmt: skip
async def listed(request: Request, caller: Reader, lead_id: LeadId) -> Response:
    async with caller.transaction(core_of(request).engine) as conn:
        lead = (await conn.execute(leads.person(caller.org_id, lead_id))).mappings().first()
        if lead is None:
            raise no_such("lead")
        rows = (await conn.execute(tours.of_leads(caller.org_id, lead["members"]))).all()
    return answered(
        {"tours": [_with_agent(row._asdict()) for row in rows],
         "lead": {name: lead[name] for name in LEAD_FIELDS}}
    )  # fmt: skip


@router.post(
    "", status_code=201, summary="Book a tour", response_model=TourBooked,
    responses=refuses(OF_LEAD, WHEN, STAFF, PLACE), dependencies=[Once],
)  # fmt: skip
async def book(
    request: Request,
    caller: Writer,
    lead_id: LeadId,
    sent: Annotated[Taken[TourSent], Depends(Takes(TourSent))],
) -> Response:
    body = sent.said
    property_id = await caller.property_of_lead(core_of(request), lead_id)

    async def work(uow: UnitOfWork) -> Answer:
        host_property = await load_property(uow.conn, property_id)
        minutes = (await hours_of(uow)).duration_minutes
        when = When(body.tour_date, body.tour_time, host_property.time_zone, body.fold, minutes)
        slot = slot_of(property_id, when)
        await queue_for(uow, [slot], body.assigned_agent_id)
        tour_id, known = await tour_in(uow, slot, lead_id)
        if not known:
            await carry_out(uow, ScheduleTour(
                tour_id, lead_id, at=uow.scope.at, source="console", when=when,
                tour_type=body.tour_type, notes=body.notes or None,
                assigned_agent_id=body.assigned_agent_id, created_by=caller.id,
                send_confirmation=body.send_confirmation,
            ))  # fmt: skip
        lead = await lead_row(uow, lead_id) or {}
        return {
            "tour": await _tour_row(uow, tour_id),
            "lead": {name: lead.get(name) for name in LEAD_FIELDS},
        }

    return await written(request, caller, caller.scope(property_id), sent.raw, work, 201)


@router.patch(
    "", summary="Change a tour", response_model=TourChanged,
    responses=refuses(OF_LEAD, OF_TOUR, WHEN, STAFF, PLACE), dependencies=[Once],
)  # fmt: skip
async def change(
    request: Request,
    caller: Writer,
    lead_id: LeadId,
    sent: Annotated[Taken[TourChangeSent], Depends(Takes(TourChangeSent))],
) -> Response:
    body = sent.said
    property_id = await caller.property_of_lead(core_of(request), lead_id)

    async def work(uow: UnitOfWork) -> Answer:
        moved = await _moved(uow, body, lead_id, caller.id)
        await change_tour(uow, moved, _amended(body, lead_id, caller.id))
        if body.status is not None:
            await _to_status(uow, body, lead_id, caller.id)
        return {"tour": await _tour_row(uow, body.tour_id)}

    return await written(request, caller, caller.scope(property_id), sent.raw, work)


@router.delete(
    "", summary="Cancel a tour", response_model=Done, responses=refuses(OF_LEAD, OF_TOUR),
    dependencies=[Once],
)  # fmt: skip
async def cancel(
    request: Request,
    caller: Writer,
    lead_id: LeadId,
    tour_id: Annotated[UUID, Query(alias="tourId", examples=[example.TOUR])],
) -> Response:
    property_id = await caller.property_of_lead(core_of(request), lead_id)

    async def work(uow: UnitOfWork) -> Answer:
        await carry_out(uow, CancelTour(tour_id, lead_id, cancelled_by=caller.id))
        return {"success": True}

    return await written(request, caller, caller.scope(property_id), str(tour_id).encode(), work)


@router.get(
    "/{tour_id}/calendar.ics", summary="The calendar file of a tour", response_class=Calendar,
    responses=refuses(NOT_FOUND) | CALENDAR_FILE, dependencies=[Reached],
)  # fmt: skip
async def calendar(
    request: Request,
    caller: Reader,
    lead_id: LeadId,
    tour_id: Annotated[UUID, Path(examples=[example.TOUR])],
) -> Response:
    core = core_of(request)
    async with caller.transaction(core.engine) as conn:
        lead = (await conn.execute(leads.person(caller.org_id, lead_id))).mappings().first()
        if lead is None:
            raise no_such("lead")
        query = tours.one(caller.org_id, lead["members"], tour_id)
        row = (await conn.execute(query)).mappings().first()
        if row is None:
            raise no_such("tour")
    async with core.pool.acquire() as plain:
        host_property = await load_property(plain, row["property_id"])  # type: ignore[arg-type]
    return Calendar(ics(invitation(row, host_property.name, host_property.address, lead["email"])))


async def _moved(
    uow: UnitOfWork, body: TourChangeSent, lead_id: UUID, by: UUID
) -> RescheduleTour | None:
    if body.tour_date is None and body.tour_time is None and body.fold is None:
        return None
    row = await _tour_row(uow, body.tour_id)
    if row is None:
        raise UnknownSubject(Stream("tour", body.tour_id))
    day, at = body.tour_date or row["tour_date"], body.tour_time or row["tour_time"]
    same = (day, at) == (row["tour_date"], row["tour_time"])
    host_property = await load_property(uow.conn, uow.scope.property_id)
    zone, fold = (row["time_zone"], row["fold"]) if same else (host_property.time_zone, 0)
    fold = fold if body.fold is None else body.fold
    return RescheduleTour(
        body.tour_id, lead_id, at=uow.scope.at,
        when=When(day, at, zone, fold, row["duration_minutes"]),
        rescheduled_by=by, send_notification=body.send_notification,
    )  # fmt: skip


def _amended(body: TourChangeSent, lead_id: UUID, by: UUID) -> AmendTour:
    given = body.model_fields_set
    changes: dict[str, Any] = {}
    if body.tour_type is not None:
        changes["tour_type"] = body.tour_type
    if "notes" in given:
        changes["notes"] = body.notes or None
    if "assigned_agent_id" in given:
        changes["assigned_agent_id"] = body.assigned_agent_id
    return AmendTour(body.tour_id, lead_id, changes, by)


async def _to_status(uow: UnitOfWork, body: TourChangeSent, lead_id: UUID, by: UUID) -> None:
    """The commands that bring a tour to a status; its decider says which moves there are."""
    tour_id, status = body.tour_id, body.status
    state: Tour = await uow.state(ConfirmTour(tour_id, lead_id))
    if status is state.status:
        return
    if state.status is TourStatus.NO_SHOW and status is not TourStatus.CANCELLED:
        back = status if status in (TourStatus.SCHEDULED, TourStatus.CONFIRMED) else None
        await uow.do(CorrectNoShow(tour_id, lead_id, back, corrected_by=by))
        state = await uow.state(ConfirmTour(tour_id, lead_id))
    match status:
        case _ if status is state.status:
            return
        case TourStatus.CONFIRMED:
            await uow.do(ConfirmTour(tour_id, lead_id, by, body.send_notification))
        case TourStatus.COMPLETED:
            await uow.do(CompleteTour(tour_id, lead_id, by))
        case TourStatus.CANCELLED:
            await carry_out(uow, CancelTour(tour_id, lead_id, None, by, body.send_notification))
        case TourStatus.NO_SHOW:
            await uow.do(RecordNoShow(tour_id, lead_id, by))
        case _:
            raise Refused("tour_state", f"a {state.status} tour cannot be scheduled again")


async def _tour_row(uow: UnitOfWork, tour_id: UUID) -> dict[str, Any] | None:
    return row_of(tours.projection, tour_id, await uow.history(Stream("tour", tour_id)))


def _with_agent(row: dict[str, Any]) -> dict[str, Any]:
    name, agent = row.pop("agent_name"), row["assigned_agent_id"]
    row["assigned_agent"] = None if agent is None else {"id": agent, "full_name": name}
    return row
