"""Requests and responses of slots and of the tours that visitors book in them."""

from datetime import date
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field
from pydantic.json_schema import WithJsonSchema

from events.fields import Body, Line
from events.tours import TourStatus, TourType
from services.api.schemas import example
from services.api.schemas.chat import LeadInfo
from services.api.schemas.lead_details import LeadDetailsRequest
from services.api.schemas.schema import Examples, IsoDay, OptionalId, ResponseModel
from services.api.schemas.tours import LocalTime
from services.api.schemas.visitor_details import VisitorRequest

MinuteText = Annotated[str, WithJsonSchema({"type": "string", "pattern": r"^\d{2}:\d{2}$"})]
"""A local time without seconds."""


class AvailableSlot(ResponseModel):
    """A slot in the property's local time."""

    id: UUID
    date: date
    start_time: MinuteText
    end_time: MinuteText
    available: bool


class SlotListResponse(ResponseModel):
    """Slots by day, in order. Days without slots are omitted. `tourDuration` is in minutes."""

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

    slots: dict[str, list[AvailableSlot]]
    tour_duration: int


class SlotBookingRequest(VisitorRequest, LeadDetailsRequest):
    """A booking of a visitor: a slot id, or a date and a time; and an e-mail address."""

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
    slot_id: OptionalId = None
    tour_date: IsoDay | None = None
    tour_time: LocalTime | None = None
    fold: Annotated[int, Field(ge=0, le=1)] = 0
    tour_type: TourType = TourType.IN_PERSON
    special_requests: Body | None = None
    bedroom_preference: Line | int | None = None
    session_id: OptionalId = None
    conversation_id: OptionalId = None


class BookedTour(ResponseModel):
    """The tour in the property's local time."""

    id: UUID
    date: date
    time: MinuteText
    status: TourStatus


class CalendarLinks(ResponseModel):
    """Links for the visitor's calendar.

    `google` and `outlook` open a form with the tour. `ics` is the calendar file as a data URI.
    """

    google: str
    outlook: str
    ics: str


class SlotBookingResponse(ResponseModel):
    """The booked tour. The same request of the same visitor again returns the same tour."""

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
    booking: BookedTour
    message: str
    calendar: CalendarLinks
