"""Responses of a lead's timeline."""

from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import ConfigDict

from services.api.schemas import example
from services.api.schemas.schema import Examples, Instant, ResponseModel

TimelineKind = Literal["activity", "engagement", "score", "message", "tour", "delivery"]


class TimelineItem(ResponseModel):
    """An entry of a lead's timeline. Its other fields depend on `kind` and are in snake_case."""

    model_config = ConfigDict(extra="allow")

    kind: TimelineKind
    id: UUID
    at: Instant


class CancelRequest(ResponseModel):
    """The request that cancels a planned action: send it as it is."""

    method: Literal["DELETE", "PATCH"]
    path: str
    body: dict[str, Any] | None = None


class PlannedItem(ResponseModel):
    """Something that is going to happen at `at` unless it is cancelled.

    `id` is that of the delivery, the run or the tour. Other fields depend on `kind`, in snake_case.
    """

    model_config = ConfigDict(extra="allow")

    kind: Literal["message", "step", "no_show_check"]
    id: UUID
    at: Instant
    description: str
    cancel: CancelRequest


class TimelineResponse(ResponseModel):
    """A page of a lead's timeline, newest first. The last page has no cursor.

    The first page also has the planned actions, soonest first.
    """

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
            "planned": [
                {
                    "kind": "no_show_check",
                    "id": example.TOUR,
                    "at": example.AT,
                    "description": "the tour becomes a no-show if nobody has completed it",
                    "starts_at": example.AT,
                    "cancel": {
                        "method": "DELETE",
                        "path": f"/api/leads/{example.LEAD}/tours?tourId={example.TOUR}",
                    },
                }
            ],
            "nextCursor": None,
        }
    }

    items: list[TimelineItem]
    planned: list[PlannedItem]
    next_cursor: str | None
