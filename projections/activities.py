"""`lead_activities`: what happened with a lead, a line each, for people to read."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Column, Index, Select, Table, Text, Uuid, select
from sqlalchemy.dialects.postgresql import JSONB

from events.chat import (
    ConversationMessageReceived,
    ConversationStarted,
    ConversationTakenOver,
    SessionIdentified,
)
from events.engagements import ActivityRecorded, ActivityType
from events.leads import (
    ContactChannel,
    LeadCaptured,
    LeadContacted,
    LeadImported,
    LeadNoted,
    LeadStatusChanged,
)
from events.record import RecordedEvent
from events.tours import (
    TourCancelled,
    TourCompleted,
    TourConfirmed,
    TourNoShowCorrected,
    TourNoShowRecorded,
    TourRescheduled,
    TourScheduled,
)
from projections import leads
from projections.columns import INSTANT, NOW, key, org, refers
from projections.engine.projection import METADATA, DerivedTable, Projection, Tables

TABLE = Table(
    "lead_activities",
    METADATA,
    key(),
    refers("lead_id", "leads.id", "CASCADE"),
    Column("type", Text, nullable=False),
    Column("description", Text),
    Column("metadata", JSONB, server_default="{}"),
    refers("created_by", "profiles.id"),
    Column("created_at", INSTANT, server_default=NOW),
    org(),
    Column("property_id", Uuid),
    Index("idx_lead_activities_lead", "lead_id"),
)
projection = Projection("lead_activities", version=1, table=DerivedTable(TABLE))

PREVIEW_CHARACTERS = 200
CONTACTS = {
    ContactChannel.SMS: ActivityType.SMS_SENT,
    ContactChannel.EMAIL: ActivityType.EMAIL_SENT,
    ContactChannel.CALL: ActivityType.CALL_MADE,
}


@projection.on(LeadCaptured, LeadImported)
def arrived(tables: Tables, recorded: RecordedEvent, event: LeadCaptured | LeadImported) -> None:
    said = f"Lead from {event.source or 'an unknown source'}"
    author = event.captured_by if type(event) is LeadCaptured else None
    _line(tables, recorded, event.lead_id, ActivityType.LEAD_CREATED, said, by=author)


@projection.on(LeadNoted)
def noted(tables: Tables, recorded: RecordedEvent, event: LeadNoted) -> None:
    _line(tables, recorded, event.lead_id, ActivityType.NOTE, event.note, by=event.noted_by)


@projection.on(LeadStatusChanged)
def status_changed(tables: Tables, recorded: RecordedEvent, event: LeadStatusChanged) -> None:
    before = event.previous_status.value if event.previous_status else None
    _line(
        tables, recorded, event.lead_id, ActivityType.STATUS_CHANGE,
        f"Status: {before or 'none'} → {event.status.value}", by=event.changed_by,
        metadata={"status": event.status.value, "previous_status": before, "reason": event.reason},
    )  # fmt: skip


@projection.on(LeadContacted)
def contacted(tables: Tables, recorded: RecordedEvent, event: LeadContacted) -> None:
    kind = CONTACTS.get(event.channel)
    if kind is not None:
        said = f"Contacted by {event.channel.value}"
        _line(tables, recorded, event.lead_id, kind, said, by=event.contacted_by)


@projection.on(TourScheduled)
def tour_scheduled(tables: Tables, recorded: RecordedEvent, event: TourScheduled) -> None:
    kind = ActivityType.TOUR_SCHEDULED if event.created_by else ActivityType.TOUR_BOOKED
    _tour(tables, recorded, event, kind, f"{event.tour_type.value} tour on {_when(event)}",
          by=event.created_by)  # fmt: skip


@projection.on(TourRescheduled)
def tour_rescheduled(tables: Tables, recorded: RecordedEvent, event: TourRescheduled) -> None:
    _tour(tables, recorded, event, ActivityType.TOUR_RESCHEDULED, f"Tour moved to {_when(event)}",
          by=event.rescheduled_by)  # fmt: skip


@projection.on(TourConfirmed)
def tour_confirmed(tables: Tables, recorded: RecordedEvent, event: TourConfirmed) -> None:
    _tour(
        tables,
        recorded,
        event,
        ActivityType.TOUR_CONFIRMED,
        "Tour confirmed",
        by=event.confirmed_by,
    )


@projection.on(TourCompleted)
def tour_completed(tables: Tables, recorded: RecordedEvent, event: TourCompleted) -> None:
    _tour(
        tables,
        recorded,
        event,
        ActivityType.TOUR_COMPLETED,
        "Tour completed",
        by=event.completed_by,
    )


@projection.on(TourCancelled)
def tour_cancelled(tables: Tables, recorded: RecordedEvent, event: TourCancelled) -> None:
    _tour(
        tables,
        recorded,
        event,
        ActivityType.TOUR_CANCELLED,
        "Tour cancelled",
        by=event.cancelled_by,
    )


@projection.on(TourNoShowRecorded)
def tour_missed(tables: Tables, recorded: RecordedEvent, event: TourNoShowRecorded) -> None:
    _tour(tables, recorded, event, ActivityType.TOUR_NO_SHOW, "Nobody came", by=event.recorded_by)


@projection.on(TourNoShowCorrected)
def tour_not_missed(tables: Tables, recorded: RecordedEvent, event: TourNoShowCorrected) -> None:
    said = f"The no-show was a mistake: the tour is {event.status.value}"
    _tour(tables, recorded, event, ActivityType.STATUS_CHANGE, said, by=event.corrected_by)


@projection.on(ConversationStarted)
def chat_started(tables: Tables, recorded: RecordedEvent, event: ConversationStarted) -> None:
    if event.lead_id is not None:
        _chat(tables, recorded, recorded.id, event.lead_id, event.conversation_id)


@projection.on(SessionIdentified)
def identified(tables: Tables, recorded: RecordedEvent, event: SessionIdentified) -> None:
    """The conversations held before the visitor was known become the lead's."""
    for conversation in event.conversation_ids:
        row_id = uuid5(recorded.id, str(conversation))
        _chat(tables, recorded, row_id, event.lead_id, conversation)


@projection.on(ConversationMessageReceived)
def spoke(tables: Tables, recorded: RecordedEvent, event: ConversationMessageReceived) -> None:
    if event.lead_id is not None:
        said = event.content[:PREVIEW_CHARACTERS]
        _line(
            tables, recorded, event.lead_id, ActivityType.MESSAGE_RECEIVED, said,
            metadata={"conversation_id": str(event.conversation_id)},
        )  # fmt: skip


@projection.on(ConversationTakenOver)
def taken_over(tables: Tables, recorded: RecordedEvent, event: ConversationTakenOver) -> None:
    if event.lead_id is not None:
        _line(
            tables, recorded, event.lead_id, ActivityType.HUMAN_TAKEOVER, "An agent took over the chat",
            metadata={"conversation_id": str(event.conversation_id)}, by=event.agent_id,
        )  # fmt: skip


@projection.on(ActivityRecorded)
def reported(tables: Tables, recorded: RecordedEvent, event: ActivityRecorded) -> None:
    _line(
        tables, recorded, event.lead_id, event.type, event.description, metadata=event.metadata,
        by=event.created_by,
    )  # fmt: skip


def _when(event: TourScheduled | TourRescheduled) -> str:
    return f"{event.tour_date.isoformat()} at {event.tour_time.isoformat('minutes')}"


def _tour(
    tables: Tables,
    recorded: RecordedEvent,
    event: Any,
    kind: ActivityType,
    said: str,
    by: UUID | None,
) -> None:
    metadata = {"tour_id": str(event.tour_id)}
    _line(tables, recorded, event.lead_id, kind, said, metadata=metadata, by=by)


def _chat(
    tables: Tables, recorded: RecordedEvent, row_id: UUID, lead_id: UUID, conversation_id: UUID
) -> None:
    _line(
        tables, recorded, lead_id, ActivityType.CHAT_STARTED, "Chat started", row_id=row_id,
        metadata={"conversation_id": str(conversation_id)},
    )  # fmt: skip


def _line(
    tables: Tables,
    recorded: RecordedEvent,
    lead_id: UUID,
    kind: ActivityType,
    description: str | None,
    *,
    metadata: dict[str, Any] | None = None,
    by: UUID | None = None,
    row_id: UUID | None = None,
) -> None:
    tables.rows.add(
        {
            "id": row_id or recorded.id,
            "org_id": recorded.org_id,
            "property_id": recorded.property_id,
            "lead_id": lead_id,
            "type": kind,
            "description": description,
            "metadata": metadata or {},
            "created_by": by,
            "created_at": recorded.occurred_at,
        }
    )


def newest(org_id: UUID, lead_ids: Sequence[UUID], limit: int) -> "Select[Any]":
    """A person's activities, newest first; `lead_ids` are all its leads (`leads.person`)."""
    return (
        select(TABLE)
        .where(TABLE.c.org_id == org_id, leads.of_any(TABLE.c.lead_id, lead_ids))
        .order_by(TABLE.c.created_at.desc(), TABLE.c.id.desc())
        .limit(limit)
    )
