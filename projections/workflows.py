"""`workflow_definitions`: the newest version of each workflow definition."""

from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    Select,
    Table,
    Text,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from events.record import RecordedEvent
from events.workflows import Step, WorkflowActivated, WorkflowDeactivated, WorkflowDefined
from projections.columns import INSTANT, NOW, key, org, refers
from projections.engine.derived_table import METADATA, DerivedTable
from projections.engine.projection import Projection, Tables

TABLE = Table(
    "workflow_definitions",
    METADATA,
    key(),
    refers("property_id", "properties.id", "CASCADE"),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("trigger_on", Text, nullable=False),
    Column("steps", JSONB, nullable=False, server_default="[]"),
    Column("exit_conditions", ARRAY(Text), server_default=text("ARRAY['leased', 'lost']")),
    Column("is_active", Boolean, server_default=text("true")),
    Column("created_at", INSTANT, server_default=NOW),
    Column("updated_at", INSTANT, server_default=NOW),
    org(),
    Column("version", Integer, server_default=text("1")),
    Column("seeded", Boolean, server_default=text("false")),
    Column("exit_events", ARRAY(Text), server_default=text("'{}'")),
    Column("reentry", Text),
    Column("min_interval_hours", Double),
    Column("max_age_hours", Double),
    Index("idx_workflow_definitions_property", "property_id"),
    Index("idx_workflow_definitions_trigger", "trigger_on"),
)
projection = Projection(
    "workflow_definitions", version=2, table=DerivedTable(TABLE, keyed_by=("definition_id",))
)


@projection.on(WorkflowDefined)
def apply_definition(tables: Tables, recorded: RecordedEvent, event: WorkflowDefined) -> None:
    """Insert the first version inactive; a later version does not change `is_active`."""
    values = {
        "name": event.display_name,
        "description": event.description,
        "trigger_on": event.trigger_on,
        "steps": [build_step_row(step) for step in event.steps],
        "exit_conditions": [status.value for status in event.exit_conditions],
        "exit_events": [exit_event.value for exit_event in event.exit_events or ()],
        "reentry": None if event.reentry is None else event.reentry.value,
        "min_interval_hours": event.min_interval_hours,
        "max_age_hours": event.max_age_hours,
        "version": event.definition_version,
        "seeded": event.seeded,
        "updated_at": recorded.occurred_at,
    }
    if tables.rows.get(event.definition_id) is not None:
        tables.rows.update(event.definition_id, **values)
        return
    created = {
        "id": event.definition_id,
        "org_id": recorded.org_id,
        "property_id": recorded.property_id,
        "is_active": False,
        "created_at": recorded.occurred_at,
    }
    tables.rows.insert(event.definition_id, {**created, **values})


@projection.on(WorkflowActivated, WorkflowDeactivated)
def set_active(
    tables: Tables, recorded: RecordedEvent, event: WorkflowActivated | WorkflowDeactivated
) -> None:
    is_active = isinstance(event, WorkflowActivated)
    tables.rows.update(event.definition_id, is_active=is_active, updated_at=recorded.occurred_at)


def build_step_row(step: Step) -> dict[str, Any]:
    """Return a step as the plan writes it; `options` only where there are some."""
    return step.model_dump(mode="json", exclude=None if step.options else {"options"})


def of_property(org_id: UUID, property_id: UUID) -> "Select[Any]":
    """Select the workflow definitions of a property by name."""
    return (
        select(TABLE)
        .where(TABLE.c.org_id == org_id, TABLE.c.property_id == property_id)
        .order_by(TABLE.c.name, TABLE.c.id)
    )
