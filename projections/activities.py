"""`lead_activities`: one row for each occurrence in a lead's history, as text for people."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Index, Select, Table, Text, Uuid, select
from sqlalchemy.dialects.postgresql import JSONB

from events.activities import ActivityRecorded, ActivityType
from events.conversations import (
    ConversationMessageReceived,
    ConversationStarted,
    ConversationTakenOver,
)
from events.deliveries import DeliveryHandedOver, DeliveryReconciled
from events.leads import (
    ContactChannel,
    LeadCaptured,
    LeadContacted,
    LeadImported,
    LeadNoted,
    LeadStatusChanged,
)
from events.record import RecordedEvent
from events.runs import (
    RunCompleted,
    RunConverted,
    RunEnrolled,
    RunMoved,
    RunPaused,
    RunResumed,
    RunStopped,
)
from events.sessions import SessionIdentified, chat_start_id
from events.tasks import TaskAssigned, TaskCreated, TaskDone, TaskDue
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
from projections.delivery_lines import delivery_line
from projections.engine.derived_table import METADATA, DerivedTable, personal
from projections.engine.projection import Projection, Tables
from projections.run_lines import ActivityLine, run_line, task_line
from projections.scoring.engagement import CHAT_CHANNELS
from projections.tour_lines import tour_line

TABLE = Table(
    "lead_activities",
    METADATA,
    key(),
    refers("lead_id", "leads.id", "CASCADE"),
    Column("type", Text, nullable=False),
    personal(Column("description", Text)),
    personal(Column("metadata", JSONB, server_default="{}"), {}),
    refers("created_by", "profiles.id"),
    Column("created_at", INSTANT, server_default=NOW),
    org(),
    Column("property_id", Uuid),
    Index("idx_lead_activities_lead", "lead_id"),
)
projection = Projection("lead_activities", version=5, table=DerivedTable(TABLE, subject="lead_id"))

CONTACTS = {
    ContactChannel.SMS: ActivityType.SMS_SENT,
    ContactChannel.EMAIL: ActivityType.EMAIL_SENT,
}
"""The activity type of a message; a contact by another channel adds no activity."""


@projection.on(LeadCaptured, LeadImported)
def add_lead_created(
    tables: Tables, recorded: RecordedEvent, event: LeadCaptured | LeadImported
) -> None:
    description = f"Lead from {event.source or 'an unknown source'}"
    author = event.captured_by if isinstance(event, LeadCaptured) else None
    metadata = event.metadata if isinstance(event, LeadImported) else None
    _add(
        tables, recorded, event.lead_id, ActivityType.LEAD_CREATED, description, author=author,
        metadata=metadata,
    )  # fmt: skip


@projection.on(LeadNoted)
def add_note(tables: Tables, recorded: RecordedEvent, event: LeadNoted) -> None:
    _add(tables, recorded, event.lead_id, ActivityType.NOTE, event.note, author=event.noted_by)


@projection.on(LeadStatusChanged)
def add_status_change(tables: Tables, recorded: RecordedEvent, event: LeadStatusChanged) -> None:
    before = event.previous_status.value if event.previous_status else None
    _add(
        tables, recorded, event.lead_id, ActivityType.STATUS_CHANGE,
        f"Status: {before or 'none'} → {event.status.value}", author=event.changed_by,
        metadata={"status": event.status.value, "previous_status": before, "reason": event.reason},
    )  # fmt: skip


@projection.on(LeadContacted)
def add_contact(tables: Tables, recorded: RecordedEvent, event: LeadContacted) -> None:
    """Add the contact of a delivery: a contact by hand already has the row of its activity."""
    kind = CONTACTS.get(event.channel)
    if kind is not None and event.delivery_id is not None:
        description = f"Contacted by {event.channel.value}"
        _add(tables, recorded, event.lead_id, kind, description, author=event.contacted_by)


@projection.on(DeliveryHandedOver, DeliveryReconciled)
def add_message_to_lead(
    tables: Tables, recorded: RecordedEvent, event: DeliveryHandedOver | DeliveryReconciled
) -> None:
    """Add a message that was handed over, at once or as it was found out later."""
    if line := delivery_line(event):
        kind, description, metadata = line
        _add(tables, recorded, event.lead_id, kind, description, metadata=metadata)


@projection.on(
    TourScheduled, TourRescheduled, TourConfirmed, TourCompleted, TourCancelled,
    TourNoShowRecorded, TourNoShowCorrected,
)  # fmt: skip
def add_tour_activity(tables: Tables, recorded: RecordedEvent, event: Any) -> None:
    kind, description, author = tour_line(event)
    _add(
        tables, recorded, event.lead_id, kind, description, author=author,
        metadata={"tour_id": str(event.tour_id)},
    )  # fmt: skip


@projection.on(RunEnrolled, RunPaused, RunResumed, RunMoved, RunStopped, RunConverted, RunCompleted)
def add_run_activity(tables: Tables, recorded: RecordedEvent, event: Any) -> None:
    _add_line(tables, recorded, event.lead_id, run_line(event))


@projection.on(TaskCreated, TaskAssigned, TaskDue, TaskDone)
def add_task_activity(tables: Tables, recorded: RecordedEvent, event: Any) -> None:
    _add_line(tables, recorded, event.lead_id, task_line(event))


@projection.on(ConversationStarted)
def add_chat_start(tables: Tables, recorded: RecordedEvent, event: ConversationStarted) -> None:
    if event.lead_id is not None and event.channel in CHAT_CHANNELS:
        _add_chat(tables, recorded, recorded.id, event.lead_id, event.conversation_id)


@projection.on(SessionIdentified)
def add_earlier_chats(tables: Tables, recorded: RecordedEvent, event: SessionIdentified) -> None:
    """Add the conversations of the session from before the visitor became a lead."""
    for conversation_id in event.conversation_ids:
        row_id = chat_start_id(recorded.id, conversation_id)
        _add_chat(tables, recorded, row_id, event.lead_id, conversation_id)


@projection.on(ConversationMessageReceived)
def add_message(
    tables: Tables, recorded: RecordedEvent, event: ConversationMessageReceived
) -> None:
    """Add a message without its text: that belongs to the conversation, which several leads can
    have had, and is erased with it.
    """
    if event.lead_id is not None:
        _add(
            tables, recorded, event.lead_id, ActivityType.MESSAGE_RECEIVED, "Message received",
            metadata={"conversation_id": str(event.conversation_id)},
        )  # fmt: skip


@projection.on(ConversationTakenOver)
def add_takeover(tables: Tables, recorded: RecordedEvent, event: ConversationTakenOver) -> None:
    if event.lead_id is not None:
        _add(
            tables, recorded, event.lead_id, ActivityType.HUMAN_TAKEOVER,
            "An agent took over the chat", author=event.agent_id,
            metadata={"conversation_id": str(event.conversation_id)},
        )  # fmt: skip


@projection.on(ActivityRecorded)
def add_reported_activity(tables: Tables, recorded: RecordedEvent, event: ActivityRecorded) -> None:
    _add(
        tables, recorded, event.lead_id, event.type, event.description, metadata=event.metadata,
        author=event.created_by,
    )  # fmt: skip


def _add_line(tables: Tables, recorded: RecordedEvent, lead_id: UUID, line: ActivityLine) -> None:
    _add(
        tables, recorded, lead_id, line.kind, line.description, author=line.author,
        metadata=line.metadata,
    )  # fmt: skip


def _add_chat(
    tables: Tables, recorded: RecordedEvent, row_id: UUID, lead_id: UUID, conversation_id: UUID
) -> None:
    _add(
        tables, recorded, lead_id, ActivityType.CHAT_STARTED, "Chat started", row_id=row_id,
        metadata={"conversation_id": str(conversation_id)},
    )  # fmt: skip


def _add(
    tables: Tables,
    recorded: RecordedEvent,
    lead_id: UUID,
    kind: ActivityType,
    description: str | None,
    *,
    metadata: dict[str, Any] | None = None,
    author: UUID | None = None,
    row_id: UUID | None = None,
) -> None:
    """Add a row; its id is that of the event unless the event adds several rows."""
    tables.rows.add(
        {
            "id": row_id or recorded.id,
            "org_id": recorded.org_id,
            "property_id": recorded.property_id,
            "lead_id": lead_id,
            "type": kind,
            "description": description,
            "metadata": metadata or {},
            "created_by": author,
            "created_at": recorded.occurred_at,
        }
    )


def newest(org_id: UUID, lead_ids: Sequence[UUID], limit: int) -> "Select[Any]":
    """Select the activities of a person, newest first.

    `lead_ids` are all leads of the person (`leads.person`).
    """
    return (
        select(TABLE)
        .where(TABLE.c.org_id == org_id, leads.of_any(TABLE.c.lead_id, lead_ids))
        .order_by(TABLE.c.created_at.desc(), TABLE.c.id.desc())
        .limit(limit)
    )
