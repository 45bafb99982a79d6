"""Operations: interventions of operators and of retention, which a rebuild must repeat."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from events.event import Event, Foreign
from events.fields import Instant, Key, NotPersonal, Position, Text

RowIds = Annotated[tuple[UUID, ...], Field(max_length=1_000)]
"""Ids of deleted rows."""


class Retained(StrEnum):
    """The kind of data that is kept for a limited time. The contract contains the class name."""

    SESSIONS = "sessions"
    ENGAGEMENT = "engagement"
    CONSENT_EVIDENCE = "consent_evidence"


class ParkedDropped(Event):
    """A parked event was dropped: the projections of `unit` do not apply it, in a rebuild neither.

    `property_id` is the ordering key: the organisation id for events without a property. It is only
    a reference, so that this event is never parked behind the event that it drops.
    """

    name: ClassVar[str] = "parked.dropped"
    stream: ClassVar[str] = "operations"
    entity: ClassVar[str] = "property_id"
    begins: ClassVar[bool] = True

    property_id: Foreign
    dropped_event_id: Foreign
    dropped_position: Position
    unit: Annotated[Key, Field(description="The projection group.")]
    reason: Annotated[Text, NotPersonal("An operator describes a fault of an event.")]
    dropped_by: Foreign | None = None


class RetentionApplied(Event):
    """Rows of `kind` that ended before `cutoff` were deleted; if ids are given, only these.

    With a session its conversations and their messages are deleted.
    """

    name: ClassVar[str] = "retention.applied"
    stream: ClassVar[str] = "operations"
    entity: ClassVar[str] = "property_id"
    begins: ClassVar[bool] = True
    optional_ids: ClassVar[frozenset[str]] = frozenset(
        {"session_ids", "conversation_ids", "message_ids", "engagement_ids", "consent_ids"}
    )

    property_id: Foreign
    kind: Retained
    cutoff: Instant
    session_ids: RowIds = ()
    conversation_ids: RowIds = ()
    message_ids: RowIds = ()
    engagement_ids: RowIds = ()
    consent_ids: RowIds = ()
