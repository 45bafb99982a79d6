"""Explanations: the reasons that people give for their changes of a lead's data."""

from collections.abc import Mapping
from typing import Annotated, ClassVar
from uuid import UUID

from events.event import Event, Foreign, Personal
from events.fields import Text


class ChangeExplained(Event):
    """A person gave the reason for an event, in the same transaction as the event."""

    name: ClassVar[str] = "change.explained"
    stream: ClassVar[str] = "explanation"
    entity: ClassVar[str] = "explanation_id"
    begins: ClassVar[bool] = True
    requires: ClassVar[Mapping[str, str]] = {"lead_id": "lead"}

    explanation_id: UUID
    lead_id: UUID
    explained_event_id: Foreign
    reason: Annotated[Text, Personal("lead_id")]
    explained_by: Foreign | None = None
