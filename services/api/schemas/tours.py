"""The shapes of a lead's tours."""

from datetime import date, time
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic.json_schema import WithJsonSchema

from events.fields import Body
from events.tours import TourStatus, TourType
from services.api.schemas import example
from services.api.schemas.schema import (
    Answered,
    AnsweredRow,
    Clock,
    Examples,
    Id,
    Instant,
    Sent,
)


def _on_the_wall(value: time) -> time:
    if value.tzinfo is not None:
        raise ValueError("a local time has no offset: the zone is the property's")
    return value.replace(microsecond=0)


LocalTime = Annotated[
    time,
    AfterValidator(_on_the_wall),
    WithJsonSchema({"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$"}),
]


class TourSent(Sent):
    """A booking; the zone is the property's."""

    examples: ClassVar[Examples] = {
        "a visit": {"tourDate": example.TOUR_DATE, "tourTime": "14:00"},
        "a call with a picture": {
            "tourDate": example.TOUR_DATE,
            "tourTime": "16:30",
            "tourType": "virtual",
            "notes": "Wants to see the kitchen.",
            "sendConfirmation": False,
        },
    }

    tour_date: date
    tour_time: LocalTime
    tour_type: TourType = TourType.IN_PERSON
    notes: Body | None = None
    send_confirmation: bool = True
    assigned_agent_id: Id = None
    fold: Annotated[int, Field(ge=0, le=1)] = 0


class TourChangeSent(Sent):
    """What is to be changed of a tour; what is left out stays."""

    examples: ClassVar[Examples] = {
        "moved": {"tourId": example.TOUR, "tourDate": example.TOUR_DATE, "tourTime": "15:00"},
        "confirmed": {"tourId": example.TOUR, "status": "confirmed"},
    }

    tour_id: UUID
    status: TourStatus | None = None
    tour_date: date | None = None
    tour_time: LocalTime | None = None
    tour_type: TourType | None = None
    notes: Body | None = None
    send_notification: bool = False
    assigned_agent_id: Id = None
    fold: Annotated[int, Field(ge=0, le=1)] | None = None


class TourRow(AnsweredRow):
    """A tour as it is in its table."""

    id: UUID
    lead_id: UUID
    property_id: UUID
    tour_date: date
    tour_time: Clock
    tour_type: TourType
    status: TourStatus
    notes: str | None
    assigned_agent_id: UUID | None
    created_by: UUID | None
    confirmation_sent_at: Instant | None
    reminder_24h_sent_at: Instant | None
    reminder_1h_sent_at: Instant | None
    follow_up_sent_at: Instant | None
    created_at: Instant
    updated_at: Instant
    org_id: UUID
    duration_minutes: int
    time_zone: str
    fold: int
    starts_at: Instant
    revision: int


class Agent(AnsweredRow):
    """Who shows the house."""

    id: UUID
    full_name: str | None


class TourListed(TourRow):
    """A tour, and who shows the house."""

    assigned_agent: Agent | None


class TouringLead(AnsweredRow):
    """Whose tours they are."""

    id: UUID
    first_name: str | None
    last_name: str | None
    email: str | None
    phone: str | None
    property_id: UUID


_TOUR = {
    "id": example.TOUR,
    "lead_id": example.LEAD,
    "property_id": example.PROPERTY,
    "tour_date": example.TOUR_DATE,
    "tour_time": "14:00:00",
    "tour_type": "in_person",
    "status": "scheduled",
    "notes": None,
    "assigned_agent_id": None,
    "created_by": None,
    "confirmation_sent_at": None,
    "reminder_24h_sent_at": None,
    "reminder_1h_sent_at": None,
    "follow_up_sent_at": None,
    "created_at": example.AT,
    "updated_at": example.AT,
    "org_id": example.ORGANIZATION,
    "duration_minutes": 30,
    "time_zone": "America/New_York",
    "fold": 0,
    "starts_at": f"{example.TOUR_DATE}T18:00:00Z",
    "revision": 1,
}
_LEAD = {
    "id": example.LEAD,
    "first_name": "Ada",
    "last_name": None,
    "email": "ada@example.com",
    "phone": None,
    "property_id": example.PROPERTY,
}


class Tours(Answered):
    """A lead's tours, by date and time."""

    examples: ClassVar[Examples] = {
        "one tour": {"tours": [{**_TOUR, "assigned_agent": None}], "lead": _LEAD}
    }

    tours: list[TourListed]
    lead: TouringLead


class TourBooked(Answered):
    """The new tour."""

    examples: ClassVar[Examples] = {"a visit": {"tour": _TOUR, "lead": _LEAD}}

    tour: TourRow
    lead: TouringLead


class TourChanged(Answered):
    """The tour as it is now."""

    examples: ClassVar[Examples] = {"confirmed": {"tour": {**_TOUR, "status": "confirmed"}}}

    tour: TourRow


class Done(Answered):
    """It is so."""

    examples: ClassVar[Examples] = {"done": {"success": True}}

    success: Literal[True]
