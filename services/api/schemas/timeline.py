"""Responses of a lead's timeline."""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import ConfigDict

from services.api.schemas import example
from services.api.schemas.schema import Examples, Instant, ResponseModel


class TimelineItem(ResponseModel):
    """An entry of a lead's timeline. Its other fields depend on `kind` and are in snake_case."""

    model_config = ConfigDict(extra="allow")

    kind: Literal["activity", "engagement", "score", "message", "tour"]
    id: UUID
    at: Instant


class TimelineResponse(ResponseModel):
    """A page of a lead's timeline, newest first. The last page has no cursor."""

    examples: ClassVar[Examples] = {
        "the last page": {
            "items": [
                {
                    "kind": "engagement",
                    "id": example.ROW,
                    "at": example.AT,
                    "event_type": "email_opened",
                    "score_weight": 8,
                    "metadata": {},
                }
            ],
            "nextCursor": None,
        }
    }

    items: list[TimelineItem]
    next_cursor: str | None
