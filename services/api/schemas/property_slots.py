"""Response with the slots of a property, as its agents see them."""

from datetime import date
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from services.api.schemas import example
from services.api.schemas.schema import Examples, Instant, ResponseModel
from services.api.schemas.slots import MinuteText


class PropertySlot(ResponseModel):
    """A slot in the property's local time. `isClosed`: an agent allows no further tours in it."""

    id: UUID
    date: date
    start_time: MinuteText
    end_time: MinuteText
    fold: int
    starts_at: Instant
    free_places: Annotated[int, Field(ge=0)]
    is_closed: bool


class SlotDay(ResponseModel):
    """A local day with its slots. `closed` is the reason why no slots begin in its hours."""

    date: date
    closed: Literal["blackout", "holiday", "weekday"] | None
    slots: list[PropertySlot]


_SLOT: dict[str, Any] = {
    "id": example.SLOT,
    "date": example.TOUR_DATE,
    "startTime": "10:00",
    "endTime": "10:30",
    "fold": 0,
    "startsAt": f"{example.TOUR_DATE}T14:00:00Z",
    "freePlaces": 1,
    "isClosed": False,
}


class PropertySlotListResponse(ResponseModel):
    """All days of a range with their slots, also past ones. `capacity` is that of every slot."""

    examples: ClassVar[Examples] = {
        "a day, and a holiday": {
            "days": [
                {"date": example.TOUR_DATE, "closed": None, "slots": [_SLOT]},
                {"date": "2036-05-15", "closed": "blackout", "slots": []},
            ],
            "timeZone": "America/New_York",
            "toursEnabled": True,
            "tourDuration": 30,
            "capacity": 1,
        }
    }

    days: list[SlotDay]
    time_zone: str
    tours_enabled: bool
    tour_duration: int
    capacity: int
