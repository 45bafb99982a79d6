"""Routes of the tours of a property, of all its leads."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from projections import tours
from services.api.auth.console_authentication import ConsoleReader
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.day_range import parse_day_range
from services.api.error_codes import NOT_FOUND, RANGE, error_responses
from services.api.problems import not_found
from services.api.property_lookup import load_zone_of
from services.api.reading import PreparedQuery
from services.api.responses import json_response
from services.api.schemas import example
from services.api.schemas.property_tours import (
    PropertyTour,
    PropertyTourListResponse,
    PropertyTourResponse,
)
from services.api.schemas.schema import IsoDay

MAX_TOURS = 1_000
WEEK_DAYS = 6
"""The days after the first one, without `to`."""
_TOURS = PreparedQuery(tours.of_days, "property_id", "first", "last", limit=MAX_TOURS + 1)
_TOUR = PreparedQuery(tours.of_organization, "org_id", "tour_id")

router = APIRouter(prefix="/api/tours", tags=["tours"])


@router.get(
    "", summary="List the tours of a property", response_model=PropertyTourListResponse,
    responses=error_responses(NOT_FOUND, RANGE), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_property_tours(
    request: Request,
    caller: ConsoleReader,
    property_id: Annotated[UUID, Query(alias="propertyId", examples=[example.PROPERTY])],
    begin: Annotated[IsoDay | None, Query(alias="from")] = None,
    end: Annotated[IsoDay | None, Query(alias="to")] = None,
) -> Response:
    """Return the tours of all statuses on local days, in order; 1,000 at most.

    Without days, the range is today, in the property's time zone, and the following 6 days.
    """
    context = context_of(request)
    async with read_as(context.pool, caller.claims) as conn:
        zone = await load_zone_of(conn, caller, property_id)
        today = context.clock.now().astimezone(zone).date()
        first, last = parse_day_range(begin or today, end, WEEK_DAYS, ("from", "to"))
        rows = await conn.all(_TOURS(property_id=property_id, first=first, last=last))
    return json_response({
        "from": first, "to": last, "timeZone": zone.key,
        "tours": [_build_tour(row) for row in rows[:MAX_TOURS]],
        "hasMore": len(rows) > MAX_TOURS,
    })  # fmt: skip


@router.get(
    "/{tour_id}", summary="Get a tour", response_model=PropertyTourResponse,
    responses=error_responses(NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def get_property_tour(
    request: Request,
    caller: ConsoleReader,
    tour_id: Annotated[UUID, Path(examples=[example.TOUR])],
) -> Response:
    async with read_as(context_of(request).pool, caller.claims) as conn:
        row = await conn.first(_TOUR(org_id=caller.org_id, tour_id=tour_id))
    if row is None:
        raise not_found("tour")
    return json_response({"tour": _build_tour(row)})


_TOUR_FIELDS = tuple(name for name in PropertyTour.model_fields if name != "lead")


def _build_tour(row: Any) -> dict[str, Any]:
    lead = {name: row[f"lead_{name}"] for name in tours.LEAD_FIELDS}
    return {name: row[name] for name in _TOUR_FIELDS} | {"lead": lead}
