"""Requests and responses of a lead's activities."""

from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AfterValidator, Field

from events.activities import REPORTED_ACTIVITIES, ActivityType
from events.fields import Text
from services.api.schemas import example
from services.api.schemas.schema import (
    Examples,
    FreeJson,
    Instant,
    RequestModel,
    ResponseModel,
    ResponseRow,
)

RECORDABLE_TYPES = sorted(REPORTED_ACTIVITIES)


def _check_not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("the description is blank: describe the activity")
    return text


class ActivityRequest(RequestModel):
    """An activity of a console user for a lead."""

    examples: ClassVar[Examples] = {
        "a call": {
            "type": "call_made",
            "description": "Left a message on the machine.",
            "metadata": {"seconds": 40},
        }
    }

    type: Annotated[str, Field(max_length=100, json_schema_extra={"enum": [*RECORDABLE_TYPES]})]
    description: Annotated[Text, AfterValidator(_check_not_blank), Field(min_length=1)]
    metadata: FreeJson = Field(default_factory=dict)


class ActivityRow(ResponseRow):
    """An activity as it is in its table."""

    id: UUID
    type: ActivityType
    description: str | None
    metadata: dict[str, Any]
    created_by: UUID | None
    created_at: Instant


class ActivityListResponse(ResponseModel):
    """The newest activities of a lead, newest first."""

    examples: ClassVar[Examples] = {
        "a booked tour": {
            "activities": [
                {
                    "id": example.ROW,
                    "type": "tour_booked",
                    "description": "in_person tour on 2036-05-14 at 14:00",
                    "metadata": {"tour_id": example.TOUR},
                    "created_by": None,
                    "created_at": example.AT,
                }
            ]
        }
    }

    activities: list[ActivityRow]


class ActivityResponse(ResponseModel):
    """The new activity."""

    examples: ClassVar[Examples] = {
        "a call": {
            "activity": {
                "id": example.ROW,
                "type": "call_made",
                "description": "Left a message on the machine.",
                "metadata": {"seconds": 40},
                "created_by": example.PERSON,
                "created_at": example.AT,
            }
        }
    }

    activity: ActivityRow
