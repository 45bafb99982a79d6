"""`workflow_actions`: what runs did, a row a step, and what became of the message it sent."""

from typing import Any
from uuid import UUID

from sqlalchemy import Column, Index, Integer, Select, Table, Text, Uuid, select

from events.deliveries import (
    DeliveryDelivered,
    DeliveryFailed,
    DeliveryHandedOver,
    DeliveryHeld,
    DeliveryPlanned,
    DeliveryReconciled,
    DeliverySkipped,
    DeliveryUnknown,
    ReconciledOutcome,
)
from events.event import Event
from events.record import RecordedEvent
from events.runs import RunStepReached, StepOutcome
from projections.columns import INSTANT, NOW, key, org, refers
from projections.engine.projection import METADATA, DerivedTable, Projection, Row, Tables

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
    Column("error_message", Text),
    Column("executed_at", INSTANT, server_default=NOW),
    org(),
    Column("property_id", Uuid),
    Column("lead_id", Uuid),
    Column("step_id", Text),
    Column("delivery_id", Uuid),
    Index("idx_workflow_actions_workflow", "lead_workflow_id"),
)
projection = Projection(
    "workflow_actions", version=1, table=DerivedTable(TABLE, keyed_by=("delivery_id",))
)
"""The row of a step that sends has the id of its delivery; of any other, that of its fact."""

STATUS_OF = {
    StepOutcome.PLANNED: "pending",
    StepOutcome.WAITED: "waited",
    StepOutcome.SKIPPED: "skipped",
    StepOutcome.FAILED: "failed",
}
RECONCILED = {
    ReconciledOutcome.DELIVERED: ("delivered", None),
    ReconciledOutcome.FAILED: ("failed", "the provider says that it failed"),
    ReconciledOutcome.NEVER_SENT: ("failed", "it was never sent"),
}


@projection.on(RunStepReached)
def step_reached(tables: Tables, recorded: RecordedEvent, event: RunStepReached) -> None:
    """Its delivery may have been planned a moment before it, or comes a moment after."""
    said = {
        "step_number": event.step_number,
        "action_type": event.action.value,
        "template_id": event.template_id,
        "step_id": event.step_id,
    }
    outcome = {"status": STATUS_OF[event.outcome], "error_message": event.error_message}
    key = event.delivery_id
    if key is None:
        tables.rows.add(
            {**_born(recorded, recorded.id, event.run_id, event.lead_id), **said, **outcome}
        )
    elif tables.rows.get(key) is None:
        born = {**_born(recorded, key, event.run_id, event.lead_id), "delivery_id": key}
        tables.rows.insert(key, {**born, **said, **outcome})
    else:
        tables.rows.update(key, **said, **({} if event.outcome is StepOutcome.PLANNED else outcome))


@projection.on(DeliveryPlanned)
def planned(tables: Tables, recorded: RecordedEvent, event: DeliveryPlanned) -> None:
    if not _is_of_run(event) or tables.rows.get(event.delivery_id) is not None:
        return
    key = event.delivery_id
    said = {
        "step_number": event.step_number,
        "action_type": event.channel.value,
        "template_id": event.template_id,
        "delivery_id": key,
        "status": "pending",
    }
    tables.rows.insert(key, {**_born(recorded, key, event.run_id, event.lead_id), **said})


@projection.on(DeliveryHeld)
def held(tables: Tables, _recorded: RecordedEvent, event: DeliveryHeld) -> None:
    _change(tables, event, status="held", error_message=event.reason)


@projection.on(DeliveryHandedOver)
def handed_over(tables: Tables, recorded: RecordedEvent, event: DeliveryHandedOver) -> None:
    """Without a provider nothing was sent, and the row says so."""
    _change(
        tables, event, status="simulated" if event.simulated else "sent", error_message=None,
        external_id=event.external_id, executed_at=recorded.occurred_at,
    )  # fmt: skip


@projection.on(DeliveryDelivered)
def delivered(tables: Tables, _recorded: RecordedEvent, event: DeliveryDelivered) -> None:
    _change(tables, event, status="delivered", error_message=None, **_external(event))


@projection.on(DeliveryFailed)
def failed(tables: Tables, _recorded: RecordedEvent, event: DeliveryFailed) -> None:
    _change(tables, event, status="failed", error_message=event.reason, **_external(event))


@projection.on(DeliverySkipped)
def skipped(tables: Tables, _recorded: RecordedEvent, event: DeliverySkipped) -> None:
    said = event.reason if event.detail is None else f"{event.reason}: {event.detail}"
    _change(tables, event, status="skipped", error_message=said)


@projection.on(DeliveryUnknown)
def unknown(tables: Tables, _recorded: RecordedEvent, event: DeliveryUnknown) -> None:
    _change(tables, event, status="unknown", error_message=event.detail)


@projection.on(DeliveryReconciled)
def reconciled(tables: Tables, _recorded: RecordedEvent, event: DeliveryReconciled) -> None:
    status, error = RECONCILED[event.outcome]
    said = error if error is None or event.detail is None else event.detail
    _change(tables, event, status=status, error_message=said, **_external(event))


def _is_of_run(event: Event) -> bool:
    """A delivery that no step of a run planned leaves no row here."""
    known: Any = event
    return known.run_id is not None and known.step_number is not None


def _change(tables: Tables, event: Any, **changes: object) -> None:
    if _is_of_run(event):
        tables.rows.update(event.delivery_id, **changes)


def _external(event: Any) -> dict[str, Any]:
    """The provider's id, where it is said again."""
    return {} if event.external_id is None else {"external_id": event.external_id}


def _born(recorded: RecordedEvent, row_id: UUID, run_id: UUID | None, lead_id: UUID) -> Row:
    return {
        "id": row_id,
        "org_id": recorded.org_id,
        "property_id": recorded.property_id,
        "lead_workflow_id": run_id,
        "lead_id": lead_id,
        "executed_at": recorded.occurred_at,
    }


def of_run(org_id: UUID, run_id: UUID) -> "Select[Any]":
    """What a run did, in the order it did it."""
    return (
        select(TABLE)
        .where(TABLE.c.org_id == org_id, TABLE.c.lead_workflow_id == run_id)
        .order_by(TABLE.c.step_number, TABLE.c.executed_at, TABLE.c.id)
    )
