"""What a property's widget is told when it is shown: its looks, and whether somebody is there."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from projections import widgets
from services.api.auth.callers import NewVisitor, no_such
from services.api.context import core_of
from services.api.error_codes import NOT_FOUND, refuses
from services.api.responses import Reached, answered
from services.api.schemas.widgets import WidgetShown
from services.deciders.business_hours import WEEKDAYS, clock_of, is_open
from services.host import load_property

router = APIRouter(prefix="/api/lumaleasing", tags=["widget"])


@router.get(
    "/config", summary="How the widget looks, and whether somebody is there",
    response_model=WidgetShown, responses=refuses(NOT_FOUND), dependencies=[Reached],
)  # fmt: skip
async def shown(request: Request, caller: NewVisitor) -> Response:
    core = core_of(request)
    async with caller.transaction(core.engine) as conn:
        query = widgets.of_property(caller.property_id)
        row = (await conn.execute(query)).mappings().first()
    if row is None:
        raise no_such("widget")
    async with core.pool.acquire() as conn:
        host_property = await load_property(conn, caller.property_id)  # type: ignore[arg-type]
    hours = hours_of(row["business_hours"])
    now = datetime.now(UTC)
    return answered(
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


def hours_of(said: Any) -> dict[str, Any] | None:
    """Every weekday with its hours, or null where there are none that make sense; null: not set."""
    if not isinstance(said, dict):
        return None
    return {day: _window(said.get(day)) for day in WEEKDAYS}


def _window(said: Any) -> dict[str, str] | None:
    if not isinstance(said, dict):
        return None
    start, end = clock_of(said.get("start")), clock_of(said.get("end"))
    if start is None or end is None:
        return None
    return {"start": f"{start:%H:%M}", "end": f"{end:%H:%M}"}
