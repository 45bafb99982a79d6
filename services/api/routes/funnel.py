"""Route of a property's funnel: from visitors to leases."""

from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from projections import funnel
from services.api.auth.console_authentication import ConsoleReader
from services.api.auth.console_users import ConsoleUser
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.error_codes import NOT_FOUND, error_responses
from services.api.property_lookup import load_zone_of
from services.api.remembered_numbers import load_numbers
from services.api.routes.insights import MAX_DAYS, last_days, start_of_day
from services.api.schemas import example
from services.api.schemas.funnel import FunnelResponse

router = APIRouter(prefix="/api/leadpulse", tags=["leadpulse"])


@router.get(
    "/funnel", summary="Get the way from visitors to leases", response_model=FunnelResponse,
    responses=error_responses(NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def get_funnel(
    request: Request,
    caller: ConsoleReader,
    property_id: Annotated[UUID, Query(alias="propertyId", examples=[example.PROPERTY])],
    days: Annotated[int, Query(ge=1, le=MAX_DAYS)] = 30,
) -> Response:
    """Return the visitors and leads of the last `days` days, and what became of the leads.

    A day is a day of the property's time zone, or of UTC if it has none. Numbers over more than
    5,000 rows are up to 30 seconds old, if the request has no consistency token.
    """
    return await load_numbers(
        request, caller, property_id, partial(_count_steps, request, caller, property_id, days)
    )


async def _count_steps(
    request: Request, caller: ConsoleUser, property_id: UUID, days: int
) -> tuple[dict[str, Any], int]:
    context = context_of(request)
    async with read_as(context.pool, caller.claims) as conn:
        zone = await load_zone_of(conn, caller, property_id)
        [first, *_] = last_days(context.clock.now().astimezone(zone).date(), days)
        since = start_of_day(first, zone)
        await conn.plan_for_values()
        rows = await conn.all(funnel.by_source(property_id, since))
        visitors = await conn.scalar(funnel.visitors(property_id, since)) or 0
    counted = visitors + sum(row.leads for row in rows)
    return {"visitors": visitors, "sources": [dict(row) for row in rows]}, counted
