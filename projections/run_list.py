"""The console's list of runs: those of a property, counted and page by page, newest first.

Every query names the property, so that an index of it is used.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import Select, func, select, tuple_

from projections import leads, workflows
from projections.runs import TABLE
from projections.tours import LEAD_FIELDS

RunPosition: TypeAlias = tuple[datetime, UUID]
"""The sort key of a run: when it began, and its id."""


@dataclass(frozen=True, slots=True)
class RunFilter:
    """A filter for the runs of a property. None and an empty tuple mean all."""

    property_id: UUID
    definition_id: UUID | None = None
    definition_version: int | None = None
    step_number: int | None = None
    statuses: tuple[str, ...] = ()


def counts(property_id: UUID, definition_id: UUID | None = None) -> "Select[Any]":
    """Select the number of runs of each workflow, version, state and step."""
    names = ("workflow_id", "definition_version", "status", "current_step")
    columns = [TABLE.c[name] for name in names]
    query = select(*columns, func.count().label("runs")).where(TABLE.c.property_id == property_id)
    if definition_id is not None:
        query = query.where(TABLE.c.workflow_id == definition_id)
    return query.group_by(*columns).order_by(*columns)


def page(run_filter: RunFilter, before: RunPosition | None, limit: int) -> "Select[Any]":
    """Select a page of runs, newest first, with their lead and the name of their workflow.

    The ids of the page are selected first: the leads of other runs are not read.
    """
    columns = TABLE.c
    query = select(columns.id).where(columns.property_id == run_filter.property_id)
    if run_filter.definition_id is not None:
        query = query.where(columns.workflow_id == run_filter.definition_id)
    if run_filter.definition_version is not None:
        query = query.where(columns.definition_version == run_filter.definition_version)
    if run_filter.step_number is not None:
        query = query.where(columns.current_step == run_filter.step_number)
    if run_filter.statuses:
        query = query.where(columns.status.in_(run_filter.statuses))
    if before is not None:
        query = query.where(tuple_(columns.created_at, columns.id) < tuple_(*before))
    newest_first = (columns.created_at.desc(), columns.id.desc())
    found = query.order_by(*newest_first).limit(limit).subquery("page")
    return _with_lead().join(found, found.c.id == columns.id).order_by(*newest_first)


def of_organization(org_id: UUID, run_id: UUID) -> "Select[Any]":
    """Select a run of an organisation, with its lead and the name of its workflow."""
    return _with_lead().where(TABLE.c.org_id == org_id, TABLE.c.id == run_id)


def several(property_id: UUID, run_ids: list[UUID]) -> "Select[Any]":
    """Select these runs of a property, with their leads and the names of their workflows."""
    return _with_lead().where(TABLE.c.property_id == property_id, TABLE.c.id.in_(run_ids))


def _with_lead() -> "Select[Any]":
    """Select runs with the lead's fields as `lead_…` and the newest definition as `definition_…`.

    The name of the version column is taken, so the newest version is `definition_newest`.
    """
    lead, definition = leads.TABLE, workflows.TABLE
    names = [name for name in LEAD_FIELDS if name != "id"]
    return (
        select(
            TABLE, definition.c.name.label("definition_name"),
            definition.c.version.label("definition_newest"),
            *(lead.c[name].label(f"lead_{name}") for name in names),
        )
        .join(lead, lead.c.id == TABLE.c.lead_id)
        .outerjoin(definition, definition.c.id == TABLE.c.workflow_id)
    )  # fmt: skip
