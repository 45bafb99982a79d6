"""The tables with rows of persons, computed from the foreign keys of all derived tables.

A row belongs to a person if it is one of its leads, or refers to a row that belongs to it: by a
foreign key, or by a column `lead_id`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from projections import leads
from projections.catalog import LIVE
from projections.engine.derived_table import DerivedTable

LEAD_ID = "lead_id"
TIMES = ("position", "created_at", "scored_at")
"""Columns by which rows are ordered, the first one that a table has; else by their key."""


@dataclass(frozen=True, slots=True)
class PersonTable:
    """A table with rows of persons; `links` are (column, table of the row that it refers to)."""

    derived: DerivedTable
    links: tuple[tuple[str, sa.Table], ...]

    @property
    def table(self) -> sa.Table:
        return self.derived.table

    def belongs_to(self, lead_ids: Sequence[UUID]) -> ColumnElement[bool]:
        """Return the condition that a row belongs to the person with these leads."""
        if self.table is leads.TABLE:
            return leads.TABLE.c.id.in_(lead_ids)
        conditions: list[ColumnElement[bool]] = []
        for column, target in self.links:
            if target is leads.TABLE:
                conditions.append(self.table.c[column].in_(lead_ids))
            else:
                parent = PERSON_TABLES[target.fullname]
                keys = sa.select(target.c[parent.derived.key]).where(parent.belongs_to(lead_ids))
                conditions.append(self.table.c[column].in_(keys))
        return sa.or_(*conditions)

    def rows_of(self, org_id: UUID, lead_ids: Sequence[UUID]) -> "sa.Select[Any]":
        """Select the rows of a person, the oldest first."""
        columns = self.table.c
        order = [columns[name] for name in TIMES if name in columns][:1]
        of_org = columns.org_id == org_id
        if self.derived.is_in_place:  # rows that the host wrote have no organisation yet
            of_org = sa.or_(of_org, columns.org_id.is_(None))
        return (
            sa.select(self.table)
            .where(of_org, self.belongs_to(lead_ids))
            .order_by(*order, columns[self.derived.key])
        )


def find_person_tables(tables: Iterable[DerivedTable]) -> dict[str, PersonTable]:
    """Return name → table of persons, parents before children, from the tables in this order."""
    found: dict[str, PersonTable] = {}
    for derived in tables:
        if derived.lists_erased_subjects:
            continue
        links = [
            (column.name, key.column.table)
            for column in derived.table.columns
            for key in column.foreign_keys
            if key.column.table.fullname in found
        ]
        if LEAD_ID in derived.table.c and not any(column == LEAD_ID for column, _ in links):
            links.append((LEAD_ID, leads.TABLE))
        if links or derived.table is leads.TABLE:
            found[derived.table.fullname] = PersonTable(derived, tuple(links))
    return found


PERSON_TABLES = find_person_tables(
    table for projection in LIVE.projections for table in projection.tables
)
"""Name → table of persons. Projections are in the order of their foreign keys."""
