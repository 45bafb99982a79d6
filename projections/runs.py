"""`lead_workflows`: the runs, one lead in one workflow definition each, with their state."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Index, Integer, Select, Table, Text, Uuid, select, text

from events.record import RecordedEvent
from events.runs import (
    RunCompleted,
    RunConverted,
    RunEnrolled,
    RunMoved,
    RunPaused,
    RunResumed,
    RunStepReached,
    RunStopped,
    StepOutcome,
)
from projections import leads, workflows
from projections.columns import INSTANT, NOW, key, org, refers
from projections.engine.derived_table import METADATA, DerivedTable, personal
from projections.engine.projection import Projection, Tables

TABLE = Table(
    "lead_workflows",
    METADATA,
    key(),
    refers("lead_id", "leads.id", "CASCADE"),
    refers("workflow_id", "workflow_definitions.id", "CASCADE"),
    Column("current_step", Integer, server_default=text("0")),
    Column("status", Text, server_default="active"),
    Column("last_action_at", INSTANT),
    Column("next_action_at", INSTANT),
    Column("created_at", INSTANT, server_default=NOW),
    Column("updated_at", INSTANT, server_default=NOW),
    org(),
    Column("property_id", Uuid),
    Column("definition_version", Integer),
    Column("trigger", Text),
    Column("reentry_key", Text),
    Column("remaining_seconds", Integer),
    personal(Column("stop_reason", Text)),
    Column("stop_code", Text),
    Column("waits_for", Text),
    Column("tour_id", Uuid),
    Column("enrolled_by", Uuid),
    Index("idx_lead_workflows_lead", "lead_id"),
    Index("idx_lead_workflows_status", "status"),
    Index(
        "idx_lead_workflows_next_action", "next_action_at",
        postgresql_where=text("status = 'active'"),
    ),
    Index(
        "idx_lead_workflows_property", "property_id", "workflow_id", "status",
        "definition_version", "current_step",
    ),
    Index("idx_lead_workflows_newest", "property_id", "created_at", "id"),
)  # fmt: skip
projection = Projection(
    "lead_workflows", version=3, table=DerivedTable(TABLE, keyed_by=("run_id",), subject="lead_id")
)


@projection.on(RunEnrolled)
def insert_run(tables: Tables, recorded: RecordedEvent, event: RunEnrolled) -> None:
    tables.rows.insert(
        event.run_id,
        {
            "id": event.run_id,
            "org_id": recorded.org_id,
            "property_id": recorded.property_id,
            "lead_id": event.lead_id,
            "workflow_id": event.definition_id,
            "definition_version": event.definition_version,
            "trigger": event.trigger,
            "reentry_key": event.reentry_key,
            "tour_id": event.tour_id,
            "enrolled_by": event.enrolled_by,
            "current_step": event.step_number or 0,
            "status": "active",
            "next_action_at": event.next_action_at,
            "created_at": recorded.occurred_at,
            "updated_at": recorded.occurred_at,
        },
    )


@projection.on(RunStepReached)
def advance_run(tables: Tables, recorded: RecordedEvent, event: RunStepReached) -> None:
    """Set `current_step` to the next step, from 0; after the last step, to the number of steps.

    A run that waits for an event stays at its step.
    """
    next_step = event.next_step_number
    if event.outcome is StepOutcome.WAITING:
        next_step = event.step_number
    _change(
        tables, recorded, event.run_id, last_action_at=recorded.occurred_at,
        current_step=event.step_number + 1 if next_step is None else next_step,
        next_action_at=event.next_action_at, waits_for=event.waits_for,
    )  # fmt: skip


@projection.on(RunPaused)
def pause_run(tables: Tables, recorded: RecordedEvent, event: RunPaused) -> None:
    _change(
        tables, recorded, event.run_id, status="paused", next_action_at=None,
        remaining_seconds=event.remaining_seconds,
    )  # fmt: skip


@projection.on(RunResumed)
def resume_run(tables: Tables, recorded: RecordedEvent, event: RunResumed) -> None:
    _change(
        tables, recorded, event.run_id, status="active", next_action_at=event.next_action_at,
        remaining_seconds=None,
    )  # fmt: skip


@projection.on(RunMoved)
def move_run(tables: Tables, recorded: RecordedEvent, event: RunMoved) -> None:
    _change(
        tables, recorded, event.run_id, definition_version=event.definition_version,
        current_step=event.step_number, next_action_at=event.next_action_at,
        remaining_seconds=None, waits_for=None,
    )  # fmt: skip


@projection.on(RunStopped)
def stop_run(tables: Tables, recorded: RecordedEvent, event: RunStopped) -> None:
    _end(tables, recorded, event.run_id, "stopped", event.reason, event.code)


@projection.on(RunConverted)
def convert_run(tables: Tables, recorded: RecordedEvent, event: RunConverted) -> None:
    _end(tables, recorded, event.run_id, "converted", f"the lead is {event.status.value}")


@projection.on(RunCompleted)
def complete_run(tables: Tables, recorded: RecordedEvent, event: RunCompleted) -> None:
    _end(tables, recorded, event.run_id, "completed", None)


def _end(
    tables: Tables,
    recorded: RecordedEvent,
    run_id: UUID,
    status: str,
    reason: str | None,
    code: str | None = None,
) -> None:
    _change(
        tables, recorded, run_id, status=status, stop_reason=reason, stop_code=code,
        next_action_at=None, remaining_seconds=None, waits_for=None,
    )  # fmt: skip


def _change(tables: Tables, recorded: RecordedEvent, run_id: UUID, **changes: object) -> None:
    tables.rows.update(run_id, **changes, updated_at=recorded.occurred_at)


def of_leads(org_id: UUID, lead_ids: Sequence[UUID], limit: int) -> "Select[Any]":
    """Select the runs of a person, newest first, with the current definition as `definition_*`."""
    definition = workflows.TABLE.c
    return (
        select(
            TABLE, definition.name.label("definition_name"),
            definition.steps.label("definition_steps"),
            definition.exit_conditions.label("definition_exits"),
            definition.version.label("definition_newest"),
        )
        .outerjoin(workflows.TABLE, definition.id == TABLE.c.workflow_id)
        .where(TABLE.c.org_id == org_id, leads.of_any(TABLE.c.lead_id, lead_ids))
        .order_by(TABLE.c.created_at.desc(), TABLE.c.id.desc())
        .limit(limit)
    )  # fmt: skip
