"""Derived tables: the definition of a table that only the projection engine writes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

METADATA = sa.MetaData()
STATE_SCHEMA = "crm_state"
"""The schema of tables that are private to the core, such as the state of a projection."""

Row: TypeAlias = dict[str, Any]
StoredRow: TypeAlias = tuple[Any, ...]
"""The values of a row in the order of the table's columns; JSON as bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class DerivedTable:
    """A table that only the engine writes. Its primary key is its first column, a uuid.

    `keyed_by` names the event fields that may contain the key of a row which the projector reads
    or changes. If it is empty, rows are only added.
    `follows` names columns that contain keys of other rows of this table: one key, or a JSON list.
    Those rows are loaded too, with the rows that they follow, because the projector may read or
    change them.
    `is_in_place` marks a host table, which may have columns and rows of the host. A rebuild does
    not swap it: it writes the differences.
    """

    table: sa.Table
    keyed_by: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()
    is_in_place: bool = False

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
    def columns(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.table.columns)

    @property
    def json_columns(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.table.columns if isinstance(c.type, postgresql.JSONB))

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
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        return tuple(column.type.compile(dialect) for column in self.table.columns)

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
