"""Explanations: the reasons that people give for their changes."""

from collections.abc import Mapping
from typing import Annotated, ClassVar
from uuid import UUID

from events.event import Event, Foreign, Personal
from events.fields import NotPersonal, Text


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


class PropertyChangeExplained(Event):
    """A person gave the reason for an event that concerns no lead and no conversation.

    Such an event changes what a property offers: its widget, its tours, its workflows.
    """

    name: ClassVar[str] = "property.change_explained"
    stream: ClassVar[str] = "explanation"
    entity: ClassVar[str] = "explanation_id"
    begins: ClassVar[bool] = True
    requires: ClassVar[Mapping[str, str]] = {"property_id": "property"}

    explanation_id: UUID
    property_id: UUID
    explained_event_id: Foreign
    reason: Annotated[Text, NotPersonal("Describes a change of what a property offers.")]
    explained_by: Foreign | None = None
