"""`lead_texts`: the texts by which a lead is searched. The table is private to the core.

It is apart from `leads`, whose rows are changed much more often and have columns of the host. A
search reads only the index, which contains the texts of the property's listed leads.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Index,
    Select,
    Table,
    Text,
    Uuid,
    func,
    or_,
    select,
    text,
)

from events.leads import LeadAdopted, LeadArrived, LeadCaptured, LeadImported, LeadUpdated
from events.merges import LeadMerged, LeadUnmerged
from events.record import RecordedEvent
from projections.columns import INSTANT
from projections.engine.derived_table import METADATA, STATE_SCHEMA, DerivedTable, Row, personal
from projections.engine.projection import Projection, Tables
from projections.search_form import to_search_form

PARTS = ("first_name", "last_name", "email", "phone")
"""The columns whose values are searched, in the order of the searched text."""
MAX_SEARCHED_CHARACTERS = 500
"""An entry of an index has at most 2,704 bytes, and texts of the host have no limit."""
TABLE = Table(
    "lead_texts",
    METADATA,
    Column("lead_id", Uuid, primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("property_id", Uuid, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("is_merged", Boolean, nullable=False),
    *(personal(Column(name, Text)) for name in PARTS),
    personal(Column("searched", Text)),
    Index(
        "lead_texts_listed", "property_id", "created_at", "lead_id",
        postgresql_include=["searched"], postgresql_where=text("NOT is_merged"),
    ),
    schema=STATE_SCHEMA,
)  # fmt: skip
projection = Projection(
    "lead_texts",
    version=1,
    table=DerivedTable(TABLE, keyed_by=("lead_id", "loser_id"), subject="lead_id"),
)


@projection.on(LeadCaptured, LeadImported, LeadAdopted)
def insert_texts(tables: Tables, recorded: RecordedEvent, event: LeadArrived) -> None:
    row: Row = {
        "lead_id": event.lead_id,
        "org_id": recorded.org_id,
        "property_id": recorded.property_id,
        "created_at": recorded.occurred_at,
        "is_merged": False,
        **{name: _form(getattr(event, name)) for name in PARTS},
    }
    tables.rows.insert(event.lead_id, {**row, "searched": _join(row)})


@projection.on(LeadUpdated)
def update_texts(tables: Tables, _recorded: RecordedEvent, event: LeadUpdated) -> None:
    changed = {name: _form(value) for name, value in event.changes.items() if name in PARTS}
    if changed:
        row = tables.rows.change(event.lead_id)
        row.update(changed)
        row["searched"] = _join(row)


@projection.on(LeadMerged)
def leave_out(tables: Tables, _recorded: RecordedEvent, event: LeadMerged) -> None:
    tables.rows.update(event.loser_id, is_merged=True)


@projection.on(LeadUnmerged)
def list_again(tables: Tables, _recorded: RecordedEvent, event: LeadUnmerged) -> None:
    tables.rows.update(event.loser_id, is_merged=False)


def _form(value: str | None) -> str | None:
    return None if value is None else to_search_form(value)


def _join(row: Row) -> str | None:
    """Return the searched text: the parts, and the digits of a phone number that has others too."""
    parts = [part for name in PARTS if (part := row[name])]
    if phone := row["phone"]:
        digits = phone.translate(_PUNCTUATION)
        if digits and digits != phone:
            parts.append(digits)
    return " ".join(parts)[:MAX_SEARCHED_CHARACTERS] or None


_PUNCTUATION = str.maketrans("", "", " ()-./")


def found(
    property_id: UUID, search: str, numbers: Sequence[str]
) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that a lead is listed and its texts contain the text, or a number.

    `strpos` is used instead of LIKE: under row level security the planner has no statistics, and it
    expects almost no rows of LIKE and then chooses a bad plan.
    """
    return (TABLE.c.property_id == property_id, ~TABLE.c.is_merged, contains(search, numbers))


def contains(search: str, numbers: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that the texts contain the searched text, or one of the numbers."""
    searched = dict.fromkeys((to_search_form(search), *numbers))
    return or_(*(func.strpos(TABLE.c.searched, form) > 0 for form in searched))


def of_lead(lead_id: ColumnElement[UUID], condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition that the texts of one lead fulfil a condition.

    The planner cannot make a join of it: so rows that are read in order are looked up one by one.
    """
    return select(condition).where(TABLE.c.lead_id == lead_id).scalar_subquery()


def ids(conditions: Sequence[ColumnElement[bool]]) -> "Select[Any]":
    """Select the ids of leads with these conditions."""
    return select(TABLE.c.lead_id.label("id")).where(*conditions)
