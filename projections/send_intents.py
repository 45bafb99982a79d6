"""`deliveries`: one row for each message, from the send intent to its final state, with the reason.

The content stays in the log. `rule_values` is what the rules compared when they were last asked.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Column, Index, Integer, Select, Table, Text, Uuid, select
from sqlalchemy.dialects.postgresql import JSONB

from events.deliveries import (
    DeliveryClaimed,
    DeliveryDelivered,
    DeliveryFailed,
    DeliveryHandedOver,
    DeliveryHeld,
    DeliveryPlanned,
    DeliveryReconciled,
    DeliveryReleased,
    DeliverySkipped,
    DeliveryUnknown,
)
from events.record import RecordedEvent
from projections import leads
from projections.columns import INSTANT, key, org, refers
from projections.engine.derived_table import METADATA, DerivedTable, personal
from projections.engine.projection import Projection, Tables

TABLE = Table(
    "deliveries",
    METADATA,
    key(),
    org(),
    refers("property_id", "properties.id", "CASCADE"),
    refers("lead_id", "leads.id", "CASCADE"),
    Column("channel", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("message_class", Text),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    personal(Column("detail", Text)),
    Column("rule_values", JSONB),
    personal(Column("recipient", Text)),
    personal(Column("subject", Text)),
    Column("due_at", INSTANT, nullable=False),
    Column("useful_until", INSTANT),
    Column("held_until", INSTANT),
    Column("attempt", Integer, nullable=False),
    Column("provider", Text),
    Column("external_id", Text),
    Column("is_simulated", Boolean, nullable=False),
    Column("run_id", Uuid),
    Column("step_number", Integer),
    Column("tour_id", Uuid),
    Column("tour_revision", Integer),
    Column("template_id", Uuid),
    Column("template_version", Integer),
    Column("requested_by", Uuid),
    Column("changed_by", Uuid),
    Column("planned_at", INSTANT, nullable=False),
    Column("handed_over_at", INSTANT),
    Column("changed_at", INSTANT, nullable=False),
    Index("idx_deliveries_lead", "lead_id", "planned_at"),
    Index("idx_deliveries_status", "status", "due_at"),
    Index("idx_deliveries_property", "property_id", "planned_at"),
)
projection = Projection(
    "deliveries", version=1, table=DerivedTable(TABLE, ("delivery_id",), subject="lead_id")
)

SIMULATED = "simulated"


@projection.on(DeliveryPlanned)
def insert_delivery(tables: Tables, recorded: RecordedEvent, event: DeliveryPlanned) -> None:
    if tables.rows.get(event.delivery_id) is not None:
        return
    columns = (
        "lead_id", "recipient", "subject", "due_at", "useful_until", "run_id", "step_number",
        "tour_id", "tour_revision", "template_id", "template_version", "requested_by",
    )  # fmt: skip
    message_class = None if event.message_class is None else event.message_class.value
    tables.rows.insert(
        event.delivery_id,
        {name: getattr(event, name) for name in columns}
        | {
            "id": event.delivery_id,
            "org_id": recorded.org_id,
            "property_id": recorded.property_id,
            "channel": event.channel.value,
            "purpose": event.purpose.value,
            "message_class": message_class,
            "status": "planned",
            "attempt": 0,
            "is_simulated": False,
            "planned_at": recorded.occurred_at,
            "changed_at": recorded.occurred_at,
        },
    )


@projection.on(DeliveryHeld)
def hold_delivery(tables: Tables, recorded: RecordedEvent, event: DeliveryHeld) -> None:
    _change(
        tables, recorded, event, "held", reason=event.reason, detail=None,
        held_until=event.held_until, rule_values=event.values,
    )  # fmt: skip


@projection.on(DeliverySkipped)
def skip_delivery(tables: Tables, recorded: RecordedEvent, event: DeliverySkipped) -> None:
    _change(
        tables, recorded, event, "skipped", reason=event.reason, detail=event.detail,
        held_until=None, rule_values=event.values, changed_by=event.skipped_by,
    )  # fmt: skip


@projection.on(DeliveryClaimed)
def claim_delivery(tables: Tables, recorded: RecordedEvent, event: DeliveryClaimed) -> None:
    _change(
        tables, recorded, event, "claimed", reason=None, detail=None, held_until=None,
        rule_values=event.values, attempt=event.attempt, provider=event.provider,
    )  # fmt: skip


@projection.on(DeliveryReleased)
def release_delivery(tables: Tables, recorded: RecordedEvent, event: DeliveryReleased) -> None:
    _change(
        tables, recorded, event, "released", reason=event.reason, detail=event.detail,
        held_until=event.next_attempt_at,
    )  # fmt: skip


@projection.on(DeliveryHandedOver)
def record_hand_over(tables: Tables, recorded: RecordedEvent, event: DeliveryHandedOver) -> None:
    """Set the status; where there was no provider it is simulated, never handed over."""
    sent = {"recipient": event.recipient} if event.recipient is not None else {}
    _change(
        tables, recorded, event, SIMULATED if event.simulated else "handed_over", reason=None,
        detail=None, held_until=None, provider=event.provider, is_simulated=event.simulated,
        handed_over_at=recorded.occurred_at, **_external(event), **sent,
    )  # fmt: skip


@projection.on(DeliveryDelivered)
def record_arrival(tables: Tables, recorded: RecordedEvent, event: DeliveryDelivered) -> None:
    _change(tables, recorded, event, "delivered", **_external(event))


@projection.on(DeliveryFailed)
def record_failure(tables: Tables, recorded: RecordedEvent, event: DeliveryFailed) -> None:
    _change(
        tables, recorded, event, "failed", reason=event.code or "failed", detail=event.reason,
        held_until=None, **_external(event),
    )  # fmt: skip


@projection.on(DeliveryUnknown)
def record_loss(tables: Tables, recorded: RecordedEvent, event: DeliveryUnknown) -> None:
    _change(tables, recorded, event, "unknown", reason="no_result", detail=event.detail)


@projection.on(DeliveryReconciled)
def settle_delivery(tables: Tables, recorded: RecordedEvent, event: DeliveryReconciled) -> None:
    _change(
        tables, recorded, event, event.outcome.value, reason="reconciled", detail=event.detail,
        changed_by=event.reconciled_by, **_external(event),
    )  # fmt: skip


def _change(
    tables: Tables, recorded: RecordedEvent, event: Any, status: str, **changes: object
) -> None:
    tables.rows.update(event.delivery_id, status=status, changed_at=recorded.occurred_at, **changes)


def _external(event: Any) -> dict[str, Any]:
    """Return the change of the provider's id if the event has it."""
    return {} if event.external_id is None else {"external_id": event.external_id}


def of_leads(org_id: UUID, lead_ids: Sequence[UUID], limit: int) -> "Select[Any]":
    """Select the messages of a person, newest first. `lead_ids` are all leads of the person."""
    return (
        select(TABLE)
        .where(TABLE.c.org_id == org_id, leads.of_any(TABLE.c.lead_id, lead_ids))
        .order_by(TABLE.c.planned_at.desc(), TABLE.c.id.desc())
        .limit(limit)
    )


def of_status(
    status: str | None, property_id: UUID | None, lead_id: UUID | None, limit: int
) -> "Select[Any]":
    """Select messages by status, property and lead (None: all), newest first."""
    query = select(TABLE).order_by(TABLE.c.planned_at.desc(), TABLE.c.id.desc()).limit(limit)
    for column, value in (("status", status), ("property_id", property_id), ("lead_id", lead_id)):
        if value is not None:
            query = query.where(TABLE.c[column] == value)
    return query
