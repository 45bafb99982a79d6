"""Routes of a widget's conversations and statistics in the console."""

from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime
from starlette.requests import Request
from starlette.responses import Response

from projections import conversation_list, widget_statistics
from services.api.auth.console_authentication import ConsoleReader
from services.api.auth.console_users import ConsoleUser
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import ApiContext, context_of
from services.api.error_codes import NOT_FOUND, RANGE, TIME_ZONE, error_responses
from services.api.problems import Problem
from services.api.property_lookup import require_property
from services.api.remembered_numbers import load_numbers
from services.api.responses import json_response
from services.api.schemas import example
from services.api.schemas.schema import NO_NUMBER
from services.api.schemas.widget_statistics import (
    WidgetConversationListResponse,
    WidgetStatisticsResponse,
)
from services.deciders.local_time import load_zone
from services.host import load_property

PropertyId = Annotated[UUID, Query(alias="propertyId", examples=[example.PROPERTY])]
RangeEdge = Annotated[AwareDatetime | date | None, NO_NUMBER]
ONE_DAY = timedelta(days=1)

router = APIRouter(prefix="/api/lumaleasing/admin", tags=["widget administration"])


@router.get(
    "/conversations", summary="List the newest conversations of a widget",
    response_model=WidgetConversationListResponse, responses=error_responses(NOT_FOUND),
    dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_widget_conversations(
    request: Request,
    caller: ConsoleReader,
    property_id: PropertyId,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    context = context_of(request)
    await require_property(context, caller, property_id)
    query = conversation_list.newest(property_id, limit, of_widget=True)
    async with read_as(context.pool, caller.claims) as conn:
        rows = await conn.all(query)
    return json_response({"conversations": [_summarize(row) for row in rows]})


@router.get(
    "/stats", summary="Get the statistics of a widget", response_model=WidgetStatisticsResponse,
    responses=error_responses(RANGE, NOT_FOUND, TIME_ZONE), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def get_widget_statistics(
    request: Request,
    caller: ConsoleReader,
    property_id: PropertyId,
    begin: Annotated[RangeEdge, Query(alias="from")] = None,
    end: Annotated[RangeEdge, Query(alias="to")] = None,
) -> Response:
    """Return measured numbers.

    `from` and `to` are instants with an offset, or days of the property's time zone; the last day
    is included. Without them, the numbers cover all time. Numbers over more than 5,000 rows are up
    to 30 seconds old, if the request has no consistency token.
    """
    return await load_numbers(
        request, caller, property_id,
        partial(_count_rows, request, caller, property_id, begin, end),
    )  # fmt: skip


async def _count_rows(
    request: Request, caller: ConsoleUser, property_id: UUID, begin: RangeEdge, end: RangeEdge
) -> tuple[dict[str, Any], int]:
    context = context_of(request)
    await require_property(context, caller, property_id)
    first = await _to_instant(context, property_id, begin, timedelta())
    last = await _to_instant(context, property_id, end, ONE_DAY)
    if first is not None and last is not None and last < first:
        raise Problem(400, "invalid_range", f"from ({begin}) is after to ({end}): exchange them")
    query = widget_statistics.of_property(property_id, first, last)
    async with read_as(context.pool, caller.claims) as conn:
        await conn.plan_for_values()
        [row] = await conn.all(query)
    seconds = row.response_seconds
    numbers = {
        "totalSessions": row.sessions,
        "totalConversations": row.conversations,
        "leadsCapture": row.leads,
        "toursBooked": row.tours,
        "avgResponseTime": None if seconds is None else round(float(seconds), 1),
        "conversionRate": round(100 * row.converted / row.sessions, 1) if row.sessions else 0,
    }
    return numbers, row.sessions + row.conversations + row.leads


async def _to_instant(
    context: ApiContext, property_id: UUID, edge: RangeEdge, day_offset: timedelta
) -> datetime | None:
    """Return the instant of a range's edge.

    For a day it is the start of the day, moved by `day_offset`, in the property's time zone.
    """
    if edge is None:
        return None
    try:
        if isinstance(edge, datetime):
            return edge.astimezone(UTC)
        async with context.pool.acquire() as conn:
            host_property = await load_property(conn, property_id)
        zone = load_zone(host_property.time_zone)
        return datetime.combine(edge + day_offset, time(), zone).astimezone(UTC)
    except (OverflowError, ValueError):
        raise Problem(
            400, "invalid_range", f"{edge} is outside the calendar: use a year from 2 to 9998"
        ) from None


def _summarize(row: Any) -> dict[str, Any]:
    name = " ".join(part for part in (row.lead_first_name, row.lead_last_name) if part)
    return {
        "id": row.id,
        "lead_name": name or None,
        "lead_email": row.lead_email,
        "message_count": row.message_count,
        "is_human_mode": row.is_human_mode,
        "created_at": row.created_at,
        "last_message": conversation_list.shorten(row.last_content),
    }
