"""The decider of reported engagements and activities of a lead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, assert_never
from uuid import UUID

from events.activities import REPORTED_ACTIVITIES, ActivityRecorded, ActivityType
from events.engagements import (
    DERIVED_ENGAGEMENT,
    ENGAGEMENT_WEIGHTS,
    EngagementRecorded,
    EngagementType,
)
from events.event import Event
from events.leads import ContactChannel, LeadContacted
from events.record import Stream
from services.deciders import leads
from services.deciders.decider import Decider, Refused, UnknownSubject
from services.deciders.leads import Lead


@dataclass(frozen=True, slots=True)
class RecordEngagement:
    """Record an action of a lead that has a score weight."""

    engagement_id: UUID
    lead_id: UUID
    event_type: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecordActivity:
    """Record an action that somebody performed for a lead."""

    activity_id: UUID
    lead_id: UUID
    type: str
    description: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    created_by: UUID | None = None


Command: TypeAlias = RecordEngagement | RecordActivity

CONTACT_CHANNELS = {
    ActivityType.CALL_MADE: ContactChannel.CALL,
    ActivityType.EMAIL_SENT: ContactChannel.EMAIL,
    ActivityType.SMS_SENT: ContactChannel.SMS,
}
"""Activity type → the channel of the contact; other activities are no contacts."""


def streams(command: Command) -> Sequence[Stream]:
    return [Stream("lead", command.lead_id)]


def decide(command: Command, lead: Lead) -> list[Event]:
    event = _event_of(command)
    if not lead.exists:
        raise UnknownSubject(Stream("lead", command.lead_id))
    contact = contact_of(event)
    return [event] if contact is None else [event, contact]


def contact_of(event: Event) -> LeadContacted | None:
    """Return the contact that an activity is: a call that was made, a message that was sent."""
    channel = CONTACT_CHANNELS.get(event.type) if isinstance(event, ActivityRecorded) else None
    if channel is None or event.lead is None:
        return None
    author = getattr(event, "created_by", None)
    return LeadContacted(lead_id=event.lead, channel=channel, contacted_by=author)


def _event_of(command: Command) -> Event:
    match command:
        case RecordEngagement():
            kind = parse_engagement_type(command.event_type)
            return EngagementRecorded(
                engagement_id=command.engagement_id,
                lead_id=command.lead_id,
                event_type=kind,
                score_weight=ENGAGEMENT_WEIGHTS[kind],
                metadata=dict(command.metadata),
            )
        case RecordActivity():
            return ActivityRecorded(
                activity_id=command.activity_id,
                lead_id=command.lead_id,
                type=parse_activity_type(command.type),
                description=command.description,
                metadata=dict(command.metadata),
                created_by=command.created_by,
            )
        case _:
            assert_never(command)


def parse_engagement_type(text: str) -> EngagementType:
    """Raise `Refused` for an unknown type, and for one that is derived from tours and chats."""
    try:
        kind = EngagementType(text)
    except ValueError:
        raise Refused("unknown_event_type", f"{text[:60]!r} is not an engagement", 400) from None
    if kind in DERIVED_ENGAGEMENT:
        raise Refused(
            "derived_event_type", f"{kind} is derived from tours and chats, it is not recorded", 400
        )
    return kind


def parse_activity_type(text: str) -> ActivityType:
    """Raise `Refused` for an unknown type, and for one that is derived from another event."""
    try:
        kind = ActivityType(text)
    except ValueError:
        raise Refused("unknown_activity_type", f"{text[:60]!r} is not an activity", 400) from None
    if kind not in REPORTED_ACTIVITIES:
        raise Refused("derived_activity_type", f"{kind} is derived from an event of its own", 400)
    return kind


decider: Decider[Command, Lead] = Decider(
    "lead", (RecordEngagement, RecordActivity), streams, Lead(), leads.evolve, decide
)
