"""A visitor's tours: the slots there are, a place kept, a booking, its calendar file."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy.engine import Row
from starlette.requests import Request
from starlette.responses import Response

from events.record import Stream
from projections import conversations, tours
from projections import slots as slot_rows
from services.api.auth.callers import Visitor, WidgetCaller, no_such
from services.api.calendars.invite import ics, invitation, links
from services.api.calendars.response import CALENDAR_FILE, Calendar
from services.api.context import core_of
from services.api.error_codes import (
    CONTACT,
    NO_EMAIL,
    NO_VISITOR,
    NOT_FOUND,
    OF_LEAD,
    PLACE,
    RANGE,
    SLOT,
    TOURS_ON,
    WHEN,
    refuses,
)
from services.api.problems import Problem
from services.api.rate_limit.limits import limit
from services.api.request_body import Taken as TakenBody
from services.api.request_body import Takes
from services.api.responses import Answer, Once, Reached, answered, written
from services.api.schemas import example
from services.api.schemas.slots import HoldSent, SlotKept, SlotsOffered, VisitBooked, VisitSent
from services.application.rows import row_of
from services.application.slots import (
    TOUR_SOURCE,
    Asked,
    Guest,
    Wish,
    book_visit,
    keep_place,
    tours_off,
)
from services.application.tours import hours_of
from services.application.unit_of_work import UnitOfWork
from services.application.visitor_messages import conversation_of
from services.deciders.decider import Refused
from services.deciders.local_time import EARLIEST_YEAR, LATEST_YEAR, zone_of
from services.deciders.slot_schedule import TourHours, slots_between
from services.deciders.slot_times import SlotTime
from services.deciders.slots import Taken, most_taken
from services.host import HostProperty, load_property

USUAL_DAYS, MOST_DAYS = 14, 92

router = APIRouter(prefix="/api/lumaleasing/tours", tags=["widget"])


@router.get(
    "", summary="When tours can start", response_model=SlotsOffered,
    responses=refuses(TOURS_ON, RANGE, WHEN), dependencies=[Reached],
)  # fmt: skip
async def offered(
    request: Request,
    caller: WidgetCaller,
    start: Annotated[date | None, Query(alias="startDate")] = None,
    end: Annotated[date | None, Query(alias="endDate")] = None,
) -> Response:
    """Days are the property's. Without dates: from today on, for two weeks."""
    core, now = core_of(request), datetime.now(UTC)
    async with core.pool.acquire() as conn:
        uow = UnitOfWork(conn, caller.scope, None)  # type: ignore[arg-type]
        host_property = await load_property(uow.conn, caller.property_id)
        hours = await hours_of(uow)
    if not hours.enabled:
        raise tours_off()
    first, last = _days(start, end, now.astimezone(zone_of(host_property.time_zone)).date())
    slots = slots_between(host_property.property_id, host_property.time_zone, hours, first, last)
    async with caller.transaction(core.engine) as conn:
        rows = (await conn.execute(slot_rows.between(host_property.property_id, first, last))).all()
    return answered(
        {"slots": _by_day(slots, hours, rows, now), "tourDuration": hours.duration_minutes}
    )


@router.post(
    "", status_code=201, summary="Book a tour", response_model=VisitBooked,
    responses=refuses(TOURS_ON, SLOT, NO_EMAIL, CONTACT, OF_LEAD, WHEN, PLACE),
    dependencies=[Once],
)  # fmt: skip
async def book(
    request: Request,
    caller: WidgetCaller,
    sent: Annotated[TakenBody[VisitSent], Depends(Takes(VisitSent))],
) -> Response:
    """The same lead in the same slot is the same tour, however often it is asked for."""
    body = sent.said
    if not body.email:
        raise Problem(400, "no_email", "an e-mail address is needed")
    await limit(request, caller, body.email, body.phone)
    held = await _conversations(request, caller, body.session_id, body.conversation_id)

    async def work(uow: UnitOfWork) -> Answer:
        host_property = await load_property(uow.conn, caller.property_id)
        details = body.details(TOUR_SOURCE, body.bedroom_preference, host_property.country)
        row, host_property = await book_visit(
            uow, Asked(body.slot_id, body.tour_date, body.tour_time, body.fold),
            Guest(caller.visitor_id, body.session_id, held, caller.proven), details,
            Wish(body.tour_type, body.special_requests),
        )  # fmt: skip
        said = invitation(row, host_property.name, host_property.address, details.email)
        return {
            "success": True,
            "booking": {
                "id": row["id"],
                "date": row["tour_date"],
                "time": f"{row['tour_time']:%H:%M}",
                "status": row["status"],
            },
            "message": f"Your tour is booked for {_spoken(row)}.",
            "calendar": links(said),
        }

    return await written(request, caller, caller.scope, sent.raw, work, 201)


@router.post(
    "/hold", status_code=201, summary="Keep a place for ten minutes", response_model=SlotKept,
    responses=refuses(TOURS_ON, SLOT, NO_VISITOR, WHEN, PLACE), dependencies=[Once],
)  # fmt: skip
async def hold(
    request: Request,
    caller: WidgetCaller,
    sent: Annotated[TakenBody[HoldSent], Depends(Takes(HoldSent))],
) -> Response:
    body = sent.said

    async def work(uow: UnitOfWork) -> Answer:
        guest = Guest(caller.visitor_id, body.session_id, proven=caller.proven)
        hold_id, expires_at = await keep_place(uow, Asked(body.slot_id), guest)
        kept = {"id": hold_id, "slotId": body.slot_id, "expiresAt": expires_at}
        return {"success": True, "hold": kept}

    return await written(request, caller, caller.scope, sent.raw, work, 201)


@router.get(
    "/{tour_id}/calendar.ics", summary="The calendar file of a tour", response_class=Calendar,
    responses=refuses(NOT_FOUND) | CALENDAR_FILE, dependencies=[Reached],
)  # fmt: skip
async def calendar(
    request: Request,
    caller: WidgetCaller,
    tour_id: Annotated[UUID, Path(examples=[example.TOUR])],
) -> Response:
    """By the tour's id, which only who booked it was told: an invitation, or its withdrawal."""
    async with core_of(request).pool.acquire() as conn:
        uow = UnitOfWork(conn, caller.scope, None)  # type: ignore[arg-type]
        try:
            history = await uow.history(Stream("tour", tour_id))
        except Refused:  # another property's is as if it were not there
            raise no_such("tour") from None
        row = row_of(tours.projection, tour_id, history)
        if row is None:
            raise no_such("tour")
        host_property: HostProperty = await load_property(uow.conn, caller.property_id)
    return Calendar(ics(invitation(row, host_property.name, host_property.address)))


def _days(start: date | None, end: date | None, today: date) -> tuple[date, date]:
    """Raises `Problem`."""
    first = start or today
    if EARLIEST_YEAR < first.year < LATEST_YEAR:
        last = end or first + timedelta(days=USUAL_DAYS)
        if 0 <= (last - first).days < MOST_DAYS:
            return first, last
    raise Problem(400, "invalid_range", f"at most {MOST_DAYS} days, the first one first")


def _by_day(
    slots: Iterable[SlotTime], hours: TourHours, rows: "Iterable[Row[Any]]", now: datetime
) -> dict[str, list[dict[str, Any]]]:
    taken: dict[date, list[Taken]] = defaultdict(list)
    closed = set()
    for row in rows:
        if row.status == "closed":
            closed.add(row.id)
        if count := slot_rows.places_held(row.holds, now):
            ends_at = row.starts_at + timedelta(minutes=row.duration_minutes)
            for day in {row.starts_at.date(), ends_at.date()}:
                taken[day].append((row.starts_at, ends_at, count))
    found: dict[str, list[dict[str, Any]]] = {}
    for slot in slots:
        if slot.starts_at <= now:
            continue
        said = slot.said
        around = {one for day in slot.days() for one in taken[day]}
        free = slot.id not in closed and most_taken(slot, around) < hours.capacity
        found.setdefault(said["slot_date"].isoformat(), []).append({
            "id": slot.id, "date": said["slot_date"], "startTime": f"{said['start_time']:%H:%M}",
            "endTime": f"{said['end_time']:%H:%M}", "available": free,
        })  # fmt: skip
    return found


def _spoken(row: dict[str, Any]) -> str:
    day, at = row["tour_date"], row["tour_time"]
    return f"{day:%A, %B} {day.day}, {day.year} at {(at.hour - 1) % 12 + 1}:{at:%M %p}"


async def _conversations(
    request: Request, caller: Visitor, session_id: UUID | None, named: UUID | None
) -> tuple[UUID, ...]:
    """The conversations that may be this session's: named, its own by rule, and those known."""
    if session_id is None:
        return ()
    async with caller.transaction(core_of(request).engine) as conn:
        rows = await conn.execute(conversations.of_session(caller.property_id, session_id))
        known = [row.id for row in rows]
    found = [conversation_of(session_id), *known, *([named] if named else [])]
    return tuple(dict.fromkeys(found))[:100]
