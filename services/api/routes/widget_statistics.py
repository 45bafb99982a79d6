"""For those who look after a property's widget: its conversations, and what it has brought."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime
from starlette.requests import Request
from starlette.responses import Response

from projections import conversation_list, widget_statistics
from services.api.auth.callers import Reader
from services.api.context import Core, core_of
from services.api.error_codes import NOT_FOUND, RANGE, ZONE, refuses
from services.api.problems import Problem
from services.api.responses import Reached, answered
from services.api.schemas import example
from services.api.schemas.widget_statistics import AdminConversations, WidgetStats
from services.deciders.local_time import zone_of
from services.host import load_property

PropertyId = Annotated[UUID, Query(alias="propertyId", examples=[example.PROPERTY])]
Edge = AwareDatetime | date | None

router = APIRouter(prefix="/api/lumaleasing/admin", tags=["widget administration"])


@router.get(
    "/conversations", summary="The widget's newest conversations",
    response_model=AdminConversations, responses=refuses(NOT_FOUND), dependencies=[Reached],
)  # fmt: skip
async def listed(
    request: Request,
    caller: Reader,
    property_id: PropertyId,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    core = core_of(request)
    await caller.demand_property(core, property_id)
    query = conversation_list.newest(property_id, limit, of_widget=True)
    async with caller.transaction(core.engine) as conn:
        rows = (await conn.execute(query)).all()
    return answered({"conversations": [_line(row) for row in rows]})


@router.get(
    "/stats", summary="What the widget has brought", response_model=WidgetStats,
    responses=refuses(RANGE, NOT_FOUND, ZONE), dependencies=[Reached],
)  # fmt: skip
async def stats(
    request: Request,
    caller: Reader,
    property_id: PropertyId,
    begin: Annotated[Edge, Query(alias="from")] = None,
    end: Annotated[Edge, Query(alias="to")] = None,
) -> Response:
    """From an instant with its offset up to another, or whole days in the property's zone, the
    last one included; without them all there is."""
    core = core_of(request)
    await caller.demand_property(core, property_id)
    first = await _instant(core, property_id, begin, timedelta())
    last = await _instant(core, property_id, end, timedelta(days=1))
    if first is not None and last is not None and last < first:
        raise Problem(400, "invalid_range", "from is after to")
    async with caller.transaction(core.engine) as conn:
        found = (await conn.execute(widget_statistics.of_property(property_id, first, last))).one()
    waited = found.response_seconds
    return answered(
        {
            "totalSessions": found.sessions,
            "totalConversations": found.conversations,
            "leadsCapture": found.leads,
            "toursBooked": found.tours,
            "avgResponseTime": None if waited is None else round(float(waited), 1),
            "conversionRate": round(100 * found.leads / found.sessions, 1) if found.sessions else 0,
        }
    )


async def _instant(core: Core, property_id: UUID, edge: Edge, later: timedelta) -> datetime | None:
    """A day begins when it does where the property is. Raises `Problem`, `Refused`."""
    if edge is None:
        return None
    try:
        if isinstance(edge, datetime):
            return edge.astimezone(UTC)
        async with core.pool.acquire() as conn:
            host_property = await load_property(conn, property_id)  # type: ignore[arg-type]
        begins = datetime.combine(edge + later, time(), zone_of(host_property.time_zone))
        return begins.astimezone(UTC)
    except (OverflowError, ValueError):
        raise Problem(400, "invalid_range", "this is beyond the calendar") from None


def _line(row: Any) -> dict[str, Any]:
    name = " ".join(part for part in (row.lead_first_name, row.lead_last_name) if part)
    return {
        "id": row.id,
        "lead_name": name or None,
        "lead_email": row.lead_email,
        "message_count": row.message_count,
        "is_human_mode": row.is_human_mode,
        "created_at": row.created_at,
        "last_message": conversation_list.preview(row.last_content),
    }
