"""Responses that contain a calendar file."""

from typing import Any

from starlette.responses import Response

from services.application.invitations import MEDIA_TYPE

_EXAMPLE = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n"


class CalendarResponse(Response):
    """An iCalendar file that browsers download."""

    media_type = MEDIA_TYPE

    def __init__(self, content: bytes, status_code: int = 200) -> None:
        headers = {"Content-Disposition": 'attachment; filename="tour.ics"'}
        super().__init__(content, status_code, headers=headers)


CALENDAR_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            MEDIA_TYPE: {
                "schema": {"type": "string"},
                "examples": {"an-invitation": {"summary": "an invitation", "value": _EXAMPLE}},
            }
        }
    }
}
"""The success response of a calendar file, for `responses` of a route's decorator."""
