"""`workflow_actions`: one row for each step of a run, with the state of its delivery."""

from typing import Any
from uuid import UUID

from sqlalchemy import Column, Index, Integer, Select, Table, Text, Uuid, select

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
    ReconciledOutcome,
)
from events.record import RecordedEvent
from events.runs import RunStepReached, StepOutcome
from projections.columns import INSTANT, NOW, key, org, refers
from projections.engine.derived_table import METADATA, DerivedTable, Row, personal
from projections.engine.projection import Projection, Tables

TABLE = Table(
    "workflow_actions",
    METADATA,
    key(),
    refers("lead_workflow_id", "lead_workflows.id", "CASCADE"),
    Column("step_number", Integer, nullable=False),
    Column("action_type", Text, nullable=False),
    Column("template_id", Uuid),
    Column("status", Text, server_default="pending"),
    Column("external_id", Text),
    personal(Column("error_message", Text)),
    Column("executed_at", INSTANT, server_default=NOW),
    org(),
    Column("property_id", Uuid),
    Column("lead_id", Uuid),
    Column("step_id", Text),
    Column("delivery_id", Uuid),
    Column("choice", Text),
    Column("task_id", Uuid),
    Index("idx_workflow_actions_workflow", "lead_workflow_id"),
    Index("idx_workflow_actions_lead", "lead_id"),
)
projection = Projection(
    "workflow_actions",
    version=4,
    table=DerivedTable(TABLE, keyed_by=("delivery_id",), subject="lead_id"),
)
"""The id of a row is the delivery id of a step that sends, else the id of the step's event."""

STATUS_OF = {
    StepOutcome.PLANNED: "pending",
    StepOutcome.WAITED: "waited",
    StepOutcome.SKIPPED: "skipped",
    StepOutcome.FAILED: "failed",
    StepOutcome.DONE: "done",
    StepOutcome.WAITING: "waiting",
}
RECONCILED = {
    ReconciledOutcome.DELIVERED: ("delivered", None),
    ReconciledOutcome.FAILED: ("failed", "the provider says that it failed"),
    ReconciledOutcome.NEVER_SENT: ("failed", "it was never sent"),
}


@projection.on(RunStepReached)
def apply_step(tables: Tables, recorded: RecordedEvent, event: RunStepReached) -> None:
    """Insert or complete the row of a step: its delivery may be planned before or after it."""
    values = {
        "step_number": event.step_number,
        "action_type": event.action.value,
        "template_id": event.template_id,
        "step_id": event.step_id,
        "choice": event.choice,
        "task_id": event.task_id,
    }
    outcome = {"status": STATUS_OF[event.outcome], "error_message": event.error_message}
    key = event.delivery_id
    if key is None:
        tables.rows.add(
            {**_new_row(recorded, recorded.id, event.run_id, event.lead_id), **values, **outcome}
        )
    elif tables.rows.get(key) is None:
        created = {**_new_row(recorded, key, event.run_id, event.lead_id), "delivery_id": key}
        tables.rows.insert(key, {**created, **values, **outcome})
    else:
        tables.rows.update(
            key, **values, **({} if event.outcome is StepOutcome.PLANNED else outcome)
        )


@projection.on(DeliveryPlanned)
def insert_planned(tables: Tables, recorded: RecordedEvent, event: DeliveryPlanned) -> None:
    if not _is_of_run(event) or tables.rows.get(event.delivery_id) is not None:
        return
    key = event.delivery_id
    values = {
        "step_number": event.step_number,
        "action_type": event.channel.value,
        "template_id": event.template_id,
        "delivery_id": key,
        "status": "pending",
    }
    tables.rows.insert(key, {**_new_row(recorded, key, event.run_id, event.lead_id), **values})


@projection.on(DeliveryHeld)
def apply_held(tables: Tables, _recorded: RecordedEvent, event: DeliveryHeld) -> None:
    _change(tables, event, status="held", error_message=event.reason)


@projection.on(DeliveryClaimed)
def apply_claim(tables: Tables, _recorded: RecordedEvent, event: DeliveryClaimed) -> None:
    """Clear the reason for which the message was held."""
    _change(tables, event, status="pending", error_message=None)


@projection.on(DeliveryReleased)
def apply_release(tables: Tables, _recorded: RecordedEvent, event: DeliveryReleased) -> None:
    _change(tables, event, status="pending", error_message=event.detail or event.reason)


@projection.on(DeliveryHandedOver)
def apply_hand_over(tables: Tables, recorded: RecordedEvent, event: DeliveryHandedOver) -> None:
    """Set the status to sent; without a provider nothing was sent: simulated."""
    _change(
        tables, event, status="simulated" if event.simulated else "sent", error_message=None,
        external_id=event.external_id, executed_at=recorded.occurred_at,
    )  # fmt: skip


@projection.on(DeliveryDelivered)
def apply_delivered(tables: Tables, _recorded: RecordedEvent, event: DeliveryDelivered) -> None:
    _change(tables, event, status="delivered", error_message=None, **_external(event))


@projection.on(DeliveryFailed)
def apply_failed(tables: Tables, _recorded: RecordedEvent, event: DeliveryFailed) -> None:
    _change(tables, event, status="failed", error_message=event.reason, **_external(event))


@projection.on(DeliverySkipped)
def apply_skipped(tables: Tables, _recorded: RecordedEvent, event: DeliverySkipped) -> None:
    message = event.reason if event.detail is None else f"{event.reason}: {event.detail}"
    _change(tables, event, status="skipped", error_message=message)


@projection.on(DeliveryUnknown)
def apply_unknown(tables: Tables, _recorded: RecordedEvent, event: DeliveryUnknown) -> None:
    _change(tables, event, status="unknown", error_message=event.detail)


@projection.on(DeliveryReconciled)
def apply_reconciled(tables: Tables, _recorded: RecordedEvent, event: DeliveryReconciled) -> None:
    status, error = RECONCILED[event.outcome]
    message = error if error is None or event.detail is None else event.detail
    _change(tables, event, status=status, error_message=message, **_external(event))


def _is_of_run(event: Any) -> bool:
    """Return whether a step of a run planned the delivery; others have no row in this table."""
    return event.run_id is not None and event.step_number is not None


def _change(tables: Tables, event: Any, **changes: object) -> None:
    if _is_of_run(event):
        tables.rows.update(event.delivery_id, **changes)


def _external(event: Any) -> dict[str, Any]:
    """Return the change of the provider's id if the event has it."""
    return {} if event.external_id is None else {"external_id": event.external_id}


def _new_row(recorded: RecordedEvent, row_id: UUID, run_id: UUID | None, lead_id: UUID) -> Row:
    return {
        "id": row_id,
        "org_id": recorded.org_id,
        "property_id": recorded.property_id,
        "lead_workflow_id": run_id,
        "lead_id": lead_id,
        "executed_at": recorded.occurred_at,
    }


def of_run(org_id: UUID, run_id: UUID) -> "Select[Any]":
    """Select the actions of a run in their order."""
    return (
        select(TABLE)
        .where(TABLE.c.org_id == org_id, TABLE.c.lead_workflow_id == run_id)
        .order_by(TABLE.c.step_number, TABLE.c.executed_at, TABLE.c.id)
    )
