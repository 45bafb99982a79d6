"""The shapes of what people write down about a lead."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from events.engagements import REPORTED_ACTIVITIES
from events.fields import Text
from services.api.schemas import example
from services.api.schemas.leads import ActivityRow
from services.api.schemas.schema import Answered, Examples, Free, Sent

BY_HAND = sorted(REPORTED_ACTIVITIES)


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("say what happened")
    return text


class ActivitySent(Sent):
    """Something somebody did for a lead."""

    examples: ClassVar[Examples] = {
        "a call": {
            "type": "call_made",
            "description": "Left a message on the machine.",
            "metadata": {"seconds": 40},
        }
    }

    type: Annotated[str, Field(max_length=100, json_schema_extra={"enum": [*BY_HAND]})]
    description: Annotated[Text, AfterValidator(_said), Field(min_length=1)]
    metadata: Free = Field(default_factory=dict)


class ActivityNoted(Answered):
    """The new line of the lead's activities."""

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
