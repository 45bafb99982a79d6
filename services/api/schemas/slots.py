"""The shapes of slots, and of the tours that visitors book in them."""

from datetime import date
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field
from pydantic.json_schema import WithJsonSchema

from events.fields import Body, Line
from events.tours import TourStatus, TourType
from services.api.schemas import example
from services.api.schemas.chat import LeadInfo
from services.api.schemas.leads import LeadSent
from services.api.schemas.schema import Answered, Examples, Id, Instant, Sent
from services.api.schemas.tours import LocalTime

Minute = Annotated[str, WithJsonSchema({"type": "string", "pattern": r"^\d{2}:\d{2}$"})]
"""A local time without its seconds."""


class SlotOffered(Answered):
    """A time at which a tour can start, by the property's clock."""

    id: UUID
    date: date
    start_time: Minute
    end_time: Minute
    available: bool


class SlotsOffered(Answered):
    """Slots by day, in order; a day without any is left out. `tourDuration` in minutes."""

    examples: ClassVar[Examples] = {
        "a morning": {
            "slots": {
                example.TOUR_DATE: [
                    {
                        "id": example.SLOT,
                        "date": example.TOUR_DATE,
                        "startTime": "10:00",
                        "endTime": "10:30",
                        "available": True,
                    }
                ]
            },
            "tourDuration": 30,
        }
    }

    slots: dict[str, list[SlotOffered]]
    tour_duration: int


class VisitSent(LeadSent):
    """A booking by a visitor: a slot by its id, or a date and a time; and an e-mail address."""

    examples: ClassVar[Examples] = {
        "a slot": {
            "slotId": example.SLOT,
            "leadInfo": {"firstName": "Ada", "email": "ada@example.com"},
            "sessionId": example.SESSION,
        },
        "a date and a time": {
            "tourDate": example.TOUR_DATE,
            "tourTime": "11:00",
            "leadInfo": {"firstName": "Grace", "email": "grace@example.com"},
            "specialRequests": "I come with a wheelchair.",
        },
    }

    lead_info: LeadInfo | None = None
    slot_id: Id = None
    tour_date: date | None = None
    tour_time: LocalTime | None = None
    fold: Annotated[int, Field(ge=0, le=1)] = 0
    tour_type: TourType = TourType.IN_PERSON
    special_requests: Body | None = None
    bedroom_preference: Line | int | None = None
    session_id: Id = None
    conversation_id: Id = None


class Booking(Answered):
    """The tour, by the property's clock."""

    id: UUID
    date: date
    time: Minute
    status: TourStatus


class CalendarLinks(Answered):
    """`google` and `outlook` are forms to open; `ics` is the file itself, as a data URI."""

    google: str
    outlook: str
    ics: str


class VisitBooked(Answered):
    """The tour is booked; asked for again, it is the same one."""

    examples: ClassVar[Examples] = {
        "booked": {
            "success": True,
            "booking": {
                "id": example.TOUR,
                "date": example.TOUR_DATE,
                "time": "10:00",
                "status": "scheduled",
            },
            "message": "Your tour is booked for Wednesday, May 14, 2036 at 10:00 AM.",
            "calendar": {
                "google": "https://calendar.google.com/calendar/render?action=TEMPLATE",
                "outlook": "https://outlook.live.com/calendar/0/deeplink/compose?rru=addevent",
                "ics": "data:text/calendar;charset=utf-8,BEGIN%3AVCALENDAR",
            },
        }
    }

    success: Literal[True]
    booking: Booking
    message: str
    calendar: CalendarLinks


class HoldSent(Sent):
    """A slot to keep while its visitor fills in a form."""

    examples: ClassVar[Examples] = {
        "a slot": {"slotId": example.FREE_SLOT, "sessionId": example.SESSION}
    }

    slot_id: UUID
    session_id: Id = None


class SlotKept(Answered):
    """A place is kept for this visitor; asked for again, it is the same one."""

    examples: ClassVar[Examples] = {
        "kept": {
            "success": True,
            "hold": {"id": example.ROW, "slotId": example.FREE_SLOT, "expiresAt": example.AT},
        }
    }

    class Hold(Answered):
        """Until when."""

        id: UUID
        slot_id: UUID
        expires_at: Instant

    success: Literal[True]
    hold: Hold
