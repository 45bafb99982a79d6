"""Responses with the tours of a property."""

from datetime import date
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import Field

from services.api.schemas import example
from services.api.schemas.conversations import LEAD_EXAMPLE
from services.api.schemas.schema import Examples, Instant, ResponseModel
from services.api.schemas.today import TourToday


class PropertyTour(TourToday):
    """A tour at its local time, with its lead and the agent who shows the property.

    `revision` counts the times at which the tour was booked or moved.
    """

    property_id: UUID
    time_zone: str | None
    fold: int
    revision: int
    created_at: Instant
    confirmation_sent_at: Instant | None


_TOUR: dict[str, Any] = {
    "id": example.TOUR,
    "tour_date": example.TOUR_DATE,
    "tour_time": "14:00:00",
    "tour_type": "in_person",
    "status": "confirmed",
    "starts_at": f"{example.TOUR_DATE}T18:00:00Z",
    "duration_minutes": 30,
    "notes": None,
    "assigned_agent_id": example.AGENT,
    "agent_name": "Sam",
    "lead": LEAD_EXAMPLE,
    "property_id": example.PROPERTY,
    "time_zone": "America/New_York",
    "fold": 0,
    "revision": 1,
    "created_at": example.AT,
    "confirmation_sent_at": None,
}


class PropertyTourListResponse(ResponseModel):
    """The tours of some days, by date and time. `hasMore` says that the list is cut."""

    examples: ClassVar[Examples] = {
        "a day with a tour": {
            "from": example.TOUR_DATE,
            "to": example.TOUR_DATE,
            "timeZone": "America/New_York",
            "tours": [_TOUR],
            "hasMore": False,
        }
    }

    first: Annotated[date, Field(alias="from")]
    last: Annotated[date, Field(alias="to")]
    time_zone: str
    tours: list[PropertyTour]
    has_more: bool


class PropertyTourResponse(ResponseModel):
    """A tour with its lead."""

    examples: ClassVar[Examples] = {"a tour": {"tour": _TOUR}}

    tour: PropertyTour
