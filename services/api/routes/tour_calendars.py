"""Routes of the calendar files of tours, for visitors and for the console."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from events.record import RecordedEvent, Stream
from events.tours import TourScheduled
from projections import tours
from services.api.auth.console_authentication import ConsoleReader
from services.api.auth.row_security import read_as
from services.api.auth.visitors import Visitor
from services.api.auth.widget_authentication import WidgetVisitor
from services.api.calendar_response import CALENDAR_FILE, CalendarResponse
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.error_codes import NOT_FOUND, error_responses
from services.api.problems import not_found
from services.api.property_lookup import load_surviving_lead
from services.api.schemas import example
from services.api.schemas.schema import LeadId
from services.application.invitations import build_calendar_file, build_invitation
from services.application.rows import build_row
from services.application.slots import has_booked
from services.application.unit_of_work import UnitOfWork
from services.application.visitor_places import VisitorIdentity
from services.deciders import leads
from services.deciders.decider import Refused
from services.host import load_property

router = APIRouter()

TourId = Annotated[UUID, Path(examples=[example.TOUR])]


@router.get(
    "/api/lumaleasing/tours/{tour_id}/calendar.ics", tags=["widget"],
    summary="Download the calendar file of a tour", response_class=CalendarResponse,
    responses=error_responses(NOT_FOUND) | CALENDAR_FILE, dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def download_widget_tour_calendar(
    request: Request, caller: WidgetVisitor, tour_id: TourId
) -> Response:
    """Return an invitation or, for a cancelled tour, its cancellation.

    The tour's id is the permission: only the visitor who booked the tour knows it. The e-mail
    address of the lead is in the file only for the visitor, or the session, that booked the tour.
    For others, the file is an entry of a calendar and no invitation.
    """
    context = context_of(request)
    scope = caller.scope(caller.property_id, context.clock.now())
    async with context.pool.acquire() as conn:
        uow = UnitOfWork(conn, scope, None)  # type: ignore[arg-type]
        try:
            history = await uow.history(Stream("tour", tour_id))
        except Refused:  # a tour of another property
            raise not_found("tour") from None
        row = build_row(tours.projection, tour_id, history)
        if row is None:
            raise not_found("tour")
        host_property = await load_property(uow.conn, caller.property_id)
        attendee = await _find_attendee(uow, caller, row, history)
    return CalendarResponse(build_calendar_file(build_invitation(row, host_property, attendee)))


async def _find_attendee(
    uow: UnitOfWork, caller: Visitor, tour: Mapping[str, Any], history: Sequence[RecordedEvent]
) -> str | None:
    """Return the e-mail address of the tour's lead if the caller booked the tour."""
    scheduled = history[0].event
    slot_id = scheduled.slot_id if isinstance(scheduled, TourScheduled) else None
    visitor = VisitorIdentity(
        caller.visitor_hash, caller.verified_session_id, (), caller.verified_session_id
    )
    if slot_id is None or not await has_booked(uow, slot_id, visitor, tour["id"]):
        return None
    lead = await uow.load(leads.decider, await uow.surviving_lead(tour["lead_id"]))
    email: str | None = lead.details.get("email")
    return email


@router.get(
    "/api/leads/{lead_id}/tours/{tour_id}/calendar.ics", tags=["tours"],
    summary="Download the calendar file of a lead's tour", response_class=CalendarResponse,
    responses=error_responses(NOT_FOUND) | CALENDAR_FILE, dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def download_tour_calendar(
    request: Request, caller: ConsoleReader, lead_id: LeadId, tour_id: TourId
) -> Response:
    context = context_of(request)
    async with read_as(context.pool, caller.claims) as conn:
        lead = await load_surviving_lead(conn, caller, lead_id)
        query = tours.by_id(caller.org_id, lead["members"], tour_id)
        row = await conn.first(query)
        if row is None:
            raise not_found("tour")
    async with context.pool.acquire() as pool_conn:
        property_id = row["property_id"]
        host_property = await load_property(pool_conn, property_id)
    invitation = build_invitation(dict(row), host_property, lead["email"])
    return CalendarResponse(build_calendar_file(invitation))
