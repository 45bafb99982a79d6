"""Route of a property's slots for its agents."""

from collections import defaultdict
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from projections import slots as slot_rows
from services.api.auth.console_authentication import ConsoleReader
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.day_range import parse_day_range
from services.api.error_codes import NOT_FOUND, RANGE, TIME_ZONE, error_responses
from services.api.property_lookup import require_property
from services.api.responses import json_response
from services.api.schemas import example
from services.api.schemas.property_slots import PropertySlotListResponse
from services.api.schemas.schema import IsoDay
from services.api.slot_places import SlotPlaces, count_free_places
from services.application.tours import load_tour_hours
from services.application.unit_of_work import UnitOfWork
from services.deciders.local_time import load_zone
from services.deciders.slot_schedule import OFFERED_DAYS, find_closed_reason, list_slots
from services.host import load_property

router = APIRouter(prefix="/api/slots", tags=["tours"])


@router.get(
    "", summary="List the slots of a property with their free places",
    response_model=PropertySlotListResponse,
    responses=error_responses(NOT_FOUND, RANGE, TIME_ZONE), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_property_slots(
    request: Request,
    caller: ConsoleReader,
    property_id: Annotated[UUID, Query(alias="propertyId", examples=[example.PROPERTY])],
    begin: Annotated[IsoDay | None, Query(alias="from")] = None,
    end: Annotated[IsoDay | None, Query(alias="to")] = None,
) -> Response:
    """Return each local day with its slots, and why a day has no hours.

    Without days, the range is today and the following 14 days. The slots are those that visitors
    see, also those that have begun, and also if tours are off in the widget.
    """
    context = context_of(request)
    now = context.clock.now()
    await require_property(context, caller, property_id)
    async with context.pool.acquire() as conn:
        uow = UnitOfWork(conn, caller.scope(property_id, now), None)  # type: ignore[arg-type]
        host_property = await load_property(uow.conn, property_id)
        hours = await load_tour_hours(uow)
    zone = host_property.time_zone
    today = now.astimezone(load_zone(zone)).date()
    first, last = parse_day_range(begin or today, end, OFFERED_DAYS, ("from", "to"))
    slots = list_slots(property_id, zone, hours, first, last)
    async with read_as(context.pool, caller.claims) as conn:
        rows = await conn.all(slot_rows.between(property_id, first, last))
    by_day = defaultdict(list)
    for places in count_free_places(slots, hours, rows, now):
        slot = _build_slot(places)
        by_day[slot["date"]].append(slot)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return json_response({
        "days": [
            {"date": day, "closed": find_closed_reason(day, hours), "slots": by_day[day]}
            for day in days
        ],
        "timeZone": zone, "toursEnabled": hours.enabled,
        "tourDuration": hours.duration_minutes, "capacity": hours.capacity,
    })  # fmt: skip


def _build_slot(places: SlotPlaces) -> dict[str, Any]:
    slot, free_places, is_closed = places
    fields = slot.event_fields
    return {
        "id": slot.id, "date": fields["slot_date"], "startTime": f"{fields['start_time']:%H:%M}",
        "endTime": f"{fields['end_time']:%H:%M}", "fold": fields["fold"],
        "startsAt": slot.starts_at, "freePlaces": free_places, "isClosed": is_closed,
    }  # fmt: skip
