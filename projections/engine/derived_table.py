"""Derived tables: the definition of a table that only the projection engine writes."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

METADATA = sa.MetaData()
STATE_SCHEMA = "crm_state"
"""The schema of tables that are private to the core, such as the state of a projection."""

_ERASED = "erased"
"""The key of the erased value in the `info` of a personal column."""

Row: TypeAlias = dict[str, Any]
StoredRow: TypeAlias = tuple[Any, ...]
"""The values of a row in the order of the table's columns; JSON as bytes."""


def personal(column: "sa.Column[Any]", erased: Any = None) -> "sa.Column[Any]":
    """Mark a column that takes personal values; `erased` is its value after an erasure."""
    column.info[_ERASED] = erased
    return column


@dataclass(frozen=True, slots=True, eq=False)
class DerivedTable:
    """A table that only the engine writes. Its primary key is its first column, a uuid.

    `keyed_by` names the event fields that may contain the key of a row which the projector reads
    or changes. If it is empty, rows are only added.
    `follows` names columns that contain keys of other rows of this table: one key, or a JSON list.
    Those rows are loaded too, with the rows that they follow, because the projector may read or
    change them.
    `subject` names the column with the data subject of the row's personal columns, if it has any.
    `lists_erased_subjects` marks the table of the erased data subjects, one in each row.
    `is_in_place` marks a host table, which may have columns and rows of the host. A rebuild does
    not swap it: it writes the differences.
    """

    table: sa.Table
    keyed_by: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()
    is_in_place: bool = False
    subject: str | None = None
    lists_erased_subjects: bool = False

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def schema(self) -> str:
        return self.table.schema or "public"

    @property
    def live_name(self) -> str:
        """Return the name of the live table with its schema."""
        return f"{self.schema}.{self.name}"

    @property
    def key(self) -> str:
        return self.table.primary_key.columns[0].name

    @property
    def subject_column(self) -> str:
        """Return the column with the data subject. Raise `ValueError` if the table names none."""
        if self.subject is None:
            raise ValueError(f"{self.name} names no data subject: set `subject`")
        return self.subject

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.table.columns)

    @property
    def json_columns(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.table.columns if isinstance(c.type, postgresql.JSONB))

    @property
    def erased_values(self) -> dict[str, Any]:
        """Return personal column → its value after an erasure of the data subject."""
        return {c.name: c.info[_ERASED] for c in self.table.columns if _ERASED in c.info}

    @property
    def array_columns(self) -> tuple[str, ...]:
        """Return the columns that contain arrays of texts."""
        return tuple(c.name for c in self.table.columns if isinstance(c.type, sa.ARRAY))

    @property
    def searched_columns(self) -> tuple[str, ...]:
        """Return the columns that queries filter, join and order by.

        These are ids, instants, days, and the columns of the indexes.
        """
        indexed = {column.name for index in self.table.indexes for column in index.columns}
        kinds = (sa.Uuid, sa.DateTime, sa.Date)
        return tuple(
            column.name
            for column in self.table.columns
            if column.name in indexed or isinstance(column.type, kinds)
        )

    @property
    def column_types(self) -> tuple[str, ...]:
        """Return the type of each column as PostgreSQL spells it."""
        return _compile_types(self.table)

    def followed_keys(self, rows: Iterable[Row | None]) -> dict[int, UUID]:
        """Return the keys in the `follows` columns of these rows, by their integer value."""
        present = [row for row in rows if row is not None]
        return {key.int: key for row in present for key in self._keys_followed_by(row)}

    def _keys_followed_by(self, row: Row) -> Iterator[UUID]:
        for column in self.follows:
            value = row.get(column)
            if value is None:
                continue
            for key in value if isinstance(value, list) else (value,):
                yield key if isinstance(key, UUID) else UUID(key)


@contextmanager
def naming_tables(tables: Iterable[DerivedTable]) -> Iterator[None]:
    """Add a note with the names of the tables to an error of the block.

    A time-out of a statement that waits for a lock does not say for which table.
    """
    try:
        yield
    except Exception as error:
        error.add_note(f"while writing {', '.join(table.live_name for table in tables)}")
        raise


@cache
def _compile_types(table: sa.Table) -> tuple[str, ...]:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return tuple(column.type.compile(dialect) for column in table.columns)
