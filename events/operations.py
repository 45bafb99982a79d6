"""What operators and rules of retention did to a property's tables, so that a rebuild knows."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from events.event import Event, Foreign
from events.fields import Instant, Position, Text, Word

Gone = Annotated[tuple[UUID, ...], Field(max_length=1_000)]
"""Keys of rows."""


class Retained(StrEnum):
    """What is kept for a limited time."""

    SESSIONS = "sessions"
    ENGAGEMENT = "engagement"
    CONSENT_EVIDENCE = "consent_evidence"


class ParkedDropped(Event):
    """A parked event was given up: no projection of `unit` applies it, now or in a rebuild.

    `property_id` is the ordering key: the organisation for an event above properties. It is only
    mentioned, so that this event never parks behind what it drops.
    """

    name: ClassVar[str] = "parked.dropped"
    stream: ClassVar[str] = "operations"
    entity: ClassVar[str] = "property_id"

    property_id: Foreign
    dropped_event_id: Foreign
    dropped_position: Position
    unit: Word
    reason: Text
    dropped_by: Foreign | None = None


class RetentionApplied(Event):
    """Rows of `kind` that ended before `cutoff` are gone: these, where any are named.

    With a session go the conversations held in it and what was said there.
    """

    name: ClassVar[str] = "retention.applied"
    stream: ClassVar[str] = "operations"
    entity: ClassVar[str] = "property_id"

    property_id: Foreign
    kind: Retained
    cutoff: Instant
    session_ids: Gone = ()
    conversation_ids: Gone = ()
    message_ids: Gone = ()
    engagement_ids: Gone = ()
    consent_ids: Gone = ()
