"""`lead_tasks`: what agents have to do for a lead, with its state."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Index, Integer, Select, Table, Text, Uuid, select, union_all

from events.event import ERASED_TEXT
from events.record import RecordedEvent
from events.tasks import TaskAssigned, TaskCreated, TaskDone, TaskDue
from projections import leads
from projections.columns import INSTANT, NOW, key, org, refers
from projections.engine.derived_table import METADATA, DerivedTable, personal
from projections.engine.projection import Projection, Tables

TABLE = Table(
    "lead_tasks",
    METADATA,
    key(),
    org(),
    refers("property_id", "properties.id", "CASCADE"),
    refers("lead_id", "leads.id", "CASCADE"),
    personal(Column("title", Text, nullable=False), ERASED_TEXT),
    personal(Column("notes", Text)),
    Column("status", Text, nullable=False, server_default="open"),
    Column("due_at", INSTANT),
    refers("assigned_agent_id", "profiles.id"),
    Column("run_id", Uuid),
    Column("step_number", Integer),
    personal(Column("result", Text)),
    refers("created_by", "profiles.id"),
    refers("done_by", "profiles.id"),
    Column("done_at", INSTANT),
    Column("created_at", INSTANT, server_default=NOW),
    Column("updated_at", INSTANT, server_default=NOW),
    Index("idx_lead_tasks_lead", "lead_id"),
    Index("idx_lead_tasks_open", "property_id", "status", "due_at"),
)
projection = Projection(
    "lead_tasks", version=1, table=DerivedTable(TABLE, keyed_by=("task_id",), subject="lead_id")
)

OPEN, DUE, DONE = "open", "due", "done"
"""The statuses of a task: nobody did it yet, its time has passed, somebody did it."""


@projection.on(TaskCreated)
def insert_task(tables: Tables, recorded: RecordedEvent, event: TaskCreated) -> None:
    tables.rows.insert(
        event.task_id,
        {
            "id": event.task_id,
            "org_id": recorded.org_id,
            "property_id": recorded.property_id,
            "lead_id": event.lead_id,
            "title": event.title,
            "notes": event.notes,
            "status": OPEN,
            "due_at": event.due_at,
            "assigned_agent_id": event.assigned_agent_id,
            "run_id": event.run_id,
            "step_number": event.step_number,
            "created_by": event.created_by,
            "created_at": recorded.occurred_at,
            "updated_at": recorded.occurred_at,
        },
    )


@projection.on(TaskAssigned)
def assign_task(tables: Tables, recorded: RecordedEvent, event: TaskAssigned) -> None:
    tables.rows.update(
        event.task_id, assigned_agent_id=event.assigned_agent_id, updated_at=recorded.occurred_at
    )


@projection.on(TaskDue)
def mark_task_due(tables: Tables, recorded: RecordedEvent, event: TaskDue) -> None:
    tables.rows.update(event.task_id, status=DUE, updated_at=recorded.occurred_at)


@projection.on(TaskDone)
def finish_task(tables: Tables, recorded: RecordedEvent, event: TaskDone) -> None:
    tables.rows.update(
        event.task_id, status=DONE, result=event.result, done_by=event.done_by,
        done_at=recorded.occurred_at, updated_at=recorded.occurred_at,
    )  # fmt: skip


def of_organization(org_id: UUID, task_id: UUID) -> "Select[Any]":
    """Select a task of an organisation."""
    return select(TABLE).where(TABLE.c.org_id == org_id, TABLE.c.id == task_id)


def of_leads(org_id: UUID, lead_ids: Sequence[UUID], limit: int) -> "Select[Any]":
    """Select the tasks of a person: those that are not done first, by their due time."""
    return (
        _ordered()
        .where(TABLE.c.org_id == org_id, leads.of_any(TABLE.c.lead_id, lead_ids))
        .limit(limit)
    )


def of_property(
    org_id: UUID, property_id: UUID, agent_id: UUID | None, status: str | None, limit: int
) -> "Select[Any]":
    """Select the tasks of a property in the same order; of one agent and one status if given.

    Both parts are read in the order of an index: most tasks of a property are done.
    """
    conditions = [TABLE.c.org_id == org_id, TABLE.c.property_id == property_id]
    if agent_id is not None:
        conditions.append(TABLE.c.assigned_agent_id == agent_id)
    shown = (OPEN, DUE, DONE) if status is None else (status,)
    parts = [
        select(TABLE)
        .where(*conditions, TABLE.c.status == one)
        .order_by(TABLE.c.due_at.asc().nulls_last(), TABLE.c.id)
        .limit(limit)
        for one in shown
    ]
    everything = union_all(*(part.subquery().select() for part in parts)).subquery("everything")
    first = everything.c
    return (
        select(everything)
        .order_by(first.status == DONE, first.due_at.asc().nulls_last(), first.id)
        .limit(limit)
    )


def _ordered() -> "Select[Any]":
    return select(TABLE).order_by(
        TABLE.c.status == DONE, TABLE.c.due_at.asc().nulls_last(), TABLE.c.id
    )
