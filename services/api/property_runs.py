"""Runs of a property as several routes return them: with lead, workflow and next step."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from events.log.connection import Connection
from events.record import Stream
from projections.runs import TABLE
from projections.tours import LEAD_FIELDS
from projections.workflows import build_step_row
from services.application.scope import Scope
from services.application.unit_of_work import UnitOfWork
from services.deciders import workflows
from services.deciders.workflows import Definition, WorkflowContent

_JOINED = ("definition_name", "definition_newest")


async def load_definitions(
    conn: Connection, scope: Scope, definition_ids: Iterable[UUID]
) -> dict[UUID, Definition]:
    """Return id → definition with all versions, from the log. Nothing is written."""
    uow = UnitOfWork(conn, scope, None)  # type: ignore[arg-type]
    ids = list(dict.fromkeys(definition_ids))
    await uow.read_ahead(Stream("definition", key) for key in ids)
    return {key: await uow.load(workflows.decider, key) for key in ids}


def build_property_run(row: Any, definitions: Mapping[UUID, Definition]) -> dict[str, Any]:
    """Return a row of `projections/run_list.py` with its lead and its next step."""
    content = content_of_run(row, definitions)
    steps = content.steps if content else ()
    step = steps[row["current_step"]] if row["current_step"] < len(steps) else None
    return {
        **{column.name: row[column.name] for column in TABLE.columns},
        **{name: row[name] for name in _JOINED},
        "lead": {
            "id": row["lead_id"],
            **{name: row[f"lead_{name}"] for name in LEAD_FIELDS if name != "id"},
        },
        "step": build_step_row(step) if step else None,
        "step_count": len(steps) if content else None,
    }


def build_property_runs(
    rows: Sequence[Any], definitions: Mapping[UUID, Definition]
) -> list[dict[str, Any]]:
    return [build_property_run(row, definitions) for row in rows]


def content_of_run(row: Any, definitions: Mapping[UUID, Definition]) -> WorkflowContent | None:
    """Return the version of the definition that a run uses; None if the log does not have it."""
    definition = definitions.get(row["workflow_id"])
    return definition.versions.get(row["definition_version"]) if definition else None
