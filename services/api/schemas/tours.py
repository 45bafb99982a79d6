"""Requests and responses of a lead's tours."""

from datetime import date, time
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic.json_schema import WithJsonSchema

from events.fields import Body
from events.tours import TourStatus, TourType
from services.api.schemas import example
from services.api.schemas.schema import (
    ChangeModel,
    Examples,
    Instant,
    IsoDay,
    LocalTimeText,
    OptionalId,
    RequestModel,
    ResponseModel,
    ResponseRow,
    WaitsFor,
)


def _check_local(value: time) -> time:
    if value.tzinfo is not None:
        raise ValueError("a local time has no offset: remove it; the time zone is the property's")
    return value.replace(microsecond=0)


LocalTime = Annotated[
    time,
    AfterValidator(_check_local),
    WithJsonSchema({"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$"}),
]


class TourRequest(RequestModel):
    """A new tour in the property's local time."""

    examples: ClassVar[Examples] = {
        "a tour": {"tourDate": example.TOUR_DATE, "tourTime": "14:00"},
        "a virtual tour": {
            "tourDate": example.TOUR_DATE,
            "tourTime": "16:30",
            "tourType": "virtual",
            "notes": "Wants to see the kitchen.",
            "sendConfirmation": False,
        },
    }

    tour_date: IsoDay
    tour_time: LocalTime
    tour_type: TourType = TourType.IN_PERSON
    notes: Body | None = None
    send_confirmation: bool = True
    assigned_agent_id: OptionalId = None
    fold: Annotated[int, Field(ge=0, le=1)] = 0


class TourChangeRequest(ChangeModel):
    """A change of a tour. Missing fields stay unchanged."""

    examples: ClassVar[Examples] = {
        "moved": {"tourId": example.TOUR, "tourDate": example.TOUR_DATE, "tourTime": "15:00"},
        "confirmed": {"tourId": example.TOUR, "status": "confirmed"},
    }
    addressing: ClassVar[frozenset[str]] = frozenset({"tour_id", "send_notification"})

    tour_id: UUID
    status: TourStatus | None = None
    tour_date: IsoDay | None = None
    tour_time: LocalTime | None = None
    tour_type: TourType | None = None
    notes: Body | None = None
    send_notification: bool = False
    assigned_agent_id: OptionalId = None
    fold: Annotated[int, Field(ge=0, le=1)] | None = None


class TourRow(ResponseRow):
    """A tour as it is in its table."""

    id: UUID
    lead_id: UUID
    property_id: UUID
    tour_date: date
    tour_time: LocalTimeText
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


class TourAgent(ResponseRow):
    """The agent who conducts a tour."""

    id: UUID
    full_name: str | None


class TourWithAgent(TourRow):
    """A tour with its agent."""

    assigned_agent: TourAgent | None


class TourLead(ResponseRow):
    """The lead of the tours."""

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


class TourListResponse(ResponseModel):
    """The tours of a lead, by date and time."""

    examples: ClassVar[Examples] = {
        "one tour": {"tours": [{**_TOUR, "assigned_agent": None}], "lead": _LEAD}
    }

    tours: list[TourWithAgent]
    lead: TourLead


class TourBookingResponse(ResponseModel):
    """The new tour."""

    examples: ClassVar[Examples] = {"a tour": {"tour": _TOUR, "lead": _LEAD}}

    tour: TourRow
    lead: TourLead


class TourResponse(ResponseModel):
    """The tour after the change."""

    examples: ClassVar[Examples] = {"confirmed": {"tour": {**_TOUR, "status": "confirmed"}}}

    tour: TourRow


class WaitingTourResponse(TourResponse):
    """The tour after the change, which its row gets when a parked event is applied or dropped."""

    examples: ClassVar[Examples] = {
        title: {**value, "waitsFor": {"eventId": example.TOUR, "reason": "database"}}
        for title, value in TourResponse.examples.items()
    }

    waits_for: WaitsFor
