"""Route with which a widget loads its configuration."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from projections import widgets
from services.api.auth.row_security import read_as
from services.api.auth.widget_authentication import PageVisitor
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.error_codes import NOT_FOUND, error_responses
from services.api.problems import not_found
from services.api.responses import json_response
from services.api.schemas.widgets import WidgetResponse
from services.deciders.business_hours import is_open
from services.deciders.local_time import WEEKDAYS, parse_clock
from services.host import load_property

router = APIRouter(prefix="/api/lumaleasing", tags=["widget"])


@router.get(
    "/config", summary="Load a widget", response_model=WidgetResponse,
    responses=error_responses(NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def load_widget(request: Request, caller: PageVisitor) -> Response:
    """Return the appearance of the widget, its business hours, and whether it is open now."""
    context = context_of(request)
    async with read_as(context.pool, caller.claims) as conn:
        row = await conn.first(widgets.of_property(caller.property_id))
    if row is None:
        raise not_found("widget")
    async with context.pool.acquire() as pool_conn:
        property_id = caller.property_id
        host_property = await load_property(pool_conn, property_id)
    hours = weekly_hours(row["business_hours"])
    now = context.clock.now()
    return json_response(
        {
            "config": {
                "widgetName": row["widget_name"],
                "primaryColor": row["brand_color"],
                "secondaryColor": row["secondary_color"],
                "logoUrl": row["logo_url"],
                "welcomeMessage": row["greeting_message"],
                "offlineMessage": row["offline_message"],
                "autoPopupDelay": row["auto_popup_delay_seconds"],
                "requireEmailBeforeChat": row["require_email_before_chat"],
                "collectName": row["collect_name"],
                "collectEmail": row["collect_email"],
                "collectPhone": row["collect_phone"],
                "leadCapturePrompt": row["lead_capture_prompt"],
                "toursEnabled": row["tours_enabled"],
                "propertyName": host_property.name,
            },
            "isOnline": is_open(hours, row["holidays"], row["time_zone"], now),
            "businessHours": hours,
            "holidays": row["holidays"],
            "timezone": row["time_zone"],
        }
    )


def weekly_hours(setting: Any) -> dict[str, Any] | None:
    """Return weekday → hours, null for a closed day; None if no hours are set.

    Hours that are malformed count as closed: the setting may come from the host's old data.
    """
    if not isinstance(setting, dict):
        return None
    return {day: _day_hours(setting.get(day)) for day in WEEKDAYS}


def _day_hours(setting: Any) -> dict[str, str] | None:
    if not isinstance(setting, dict):
        return None
    start, end = parse_clock(setting.get("start")), parse_clock(setting.get("end"))
    if start is None or end is None:
        return None
    return {"start": f"{start:%H:%M}", "end": f"{end:%H:%M}"}
