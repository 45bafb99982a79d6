"""Engagement and activities: what people report about a lead that leaves no other event."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, assert_never
from uuid import UUID

from events.engagements import (
    DERIVED_ENGAGEMENT,
    ENGAGEMENT_WEIGHTS,
    REPORTED_ACTIVITIES,
    ActivityRecorded,
    ActivityType,
    EngagementRecorded,
    EngagementType,
)
from events.event import Event
from events.record import Stream
from services.deciders import leads
from services.deciders.decider import Decider, Refused, UnknownSubject
from services.deciders.fields import without_nulls
from services.deciders.leads import Lead


@dataclass(frozen=True, slots=True)
class RecordEngagement:
    """A lead did something that counts."""

    engagement_id: UUID
    lead_id: UUID
    event_type: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecordActivity:
    """Somebody did something for a lead."""

    activity_id: UUID
    lead_id: UUID
    type: str
    description: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    created_by: UUID | None = None


Command: TypeAlias = RecordEngagement | RecordActivity


def streams(command: Command) -> Sequence[Stream]:
    return [Stream("lead", command.lead_id)]


def decide(command: Command, lead: Lead) -> list[Event]:
    event = _said(command)
    if not lead.exists:
        raise UnknownSubject(Stream("lead", command.lead_id))
    return [event]


def _said(command: Command) -> Event:
    match command:
        case RecordEngagement():
            kind = engagement_type(command.event_type)
            return EngagementRecorded(
                engagement_id=command.engagement_id,
                lead_id=command.lead_id,
                event_type=kind,
                score_weight=ENGAGEMENT_WEIGHTS[kind],
                metadata=dict(command.metadata),
            )
        case RecordActivity():
            said = {
                "activity_id": command.activity_id,
                "lead_id": command.lead_id,
                "type": activity_type(command.type),
                "description": command.description,
                "metadata": dict(command.metadata),
                "created_by": command.created_by,
            }
            return ActivityRecorded.model_validate(without_nulls(**said))
        case _:
            assert_never(command)


def engagement_type(text: str) -> EngagementType:
    """Raises `Refused` for what is unknown or follows from tours and chats."""
    try:
        found = EngagementType(text)
    except ValueError:
        raise Refused("unknown_event_type", f"{text[:60]!r} is no engagement", 400) from None
    if found in DERIVED_ENGAGEMENT:
        raise Refused(
            "derived_event_type", f"{found} follows from tours and chats, not by hand", 400
        )
    return found


def activity_type(text: str) -> ActivityType:
    """Raises `Refused` for what is unknown or follows from an event of its own."""
    try:
        found = ActivityType(text)
    except ValueError:
        raise Refused("unknown_activity_type", f"{text[:60]!r} is no activity", 400) from None
    if found not in REPORTED_ACTIVITIES:
        raise Refused("derived_activity_type", f"{found} follows from an event of its own", 400)
    return found


decider: Decider[Command, Lead] = Decider(
    (RecordEngagement, RecordActivity), streams, Lead(), leads.evolve, decide
)
