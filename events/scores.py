"""Scores: the events that only the passing of time causes."""

from collections.abc import Mapping
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from events.event import Event
from events.fields import Instant


class ScoreDue(Event):
    """The next change time of a lead's score was reached: the event only advances fold time."""

    name: ClassVar[str] = "score.due"
    stream: ClassVar[str] = "score"
    entity: ClassVar[str] = "lead_id"
    begins: ClassVar[bool] = True
    requires: ClassVar[Mapping[str, str]] = {"lead_id": "lead"}

    lead_id: UUID
    due_at: Annotated[Instant, Field(description="Instant at which time alone changes the score.")]
