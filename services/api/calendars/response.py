"""Calendar files as answers."""

from typing import Any

from starlette.responses import Response

from services.api.calendars.invite import MEDIA_TYPE

_EXAMPLE = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n"


class Calendar(Response):
    """An iCalendar file, to be opened or kept."""

    media_type = MEDIA_TYPE

    def __init__(self, content: bytes, status_code: int = 200) -> None:
        kept = {"Content-Disposition": 'attachment; filename="tour.ics"'}
        super().__init__(content, status_code, headers=kept)


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
"""What a route that answers one says of it, for its decorator."""
