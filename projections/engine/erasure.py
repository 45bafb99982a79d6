"""Erasure in tables: the personal columns of an erased data subject always have their erased value.

An erasure scrubs the stored rows of its subjects once. Every row that is written later is scrubbed
before it is written. So the rows do not depend on whether an event still had its personal values
when it was folded, and tables are the same before and after the keys are destroyed.
"""

from collections.abc import Iterable, Mapping, Set
from typing import Any
from uuid import UUID

from events.log.connection import Connection
from projections.engine.derived_table import DerivedTable, naming_tables
from projections.engine.table_rows import RowChanges


class ErasedSubjects:
    """The erased data subjects of the shards that a working set folds, by their integer value."""

    __slots__ = ("_known_shards", "_new", "numbers")

    def __init__(self) -> None:
        self.numbers: set[int] = set()
        self._known_shards: set[int] = set()
        self._new: dict[int, UUID] = {}

    def add(self, subjects: Iterable[UUID]) -> None:
        """Add subjects that an event erased: their stored rows are to be scrubbed."""
        self._new.update((subject.int, subject) for subject in subjects)
        self.numbers.update(self._new)

    def take_new(self) -> list[UUID]:
        """Return the subjects that were added since the last call."""
        new, self._new = self._new, {}
        return list(new.values())

    def unknown_shards(self, shards: Set[int]) -> Set[int]:
        """Return the shards whose erased subjects were not loaded."""
        return shards - self._known_shards

    async def load(
        self, conn: Connection, table: DerivedTable, shards: Set[int], schema: str | None
    ) -> None:
        """Load the erased subjects of shards, as the tables have them."""
        rows = await conn.fetch(
            f'SELECT subject_id FROM {schema or table.schema}."{table.name}" '
            "WHERE shard = ANY($1::smallint[])",
            list(shards),
        )
        self.numbers.update(row["subject_id"].int for row in rows)
        self._known_shards |= shards

    def clear(self) -> None:
        """Forget everything: the next fold loads it again."""
        self.numbers.clear()
        self._known_shards.clear()
        self._new.clear()


async def scrub_stored_rows(
    conn: Connection, changes: Mapping[DerivedTable, RowChanges], schema: str | None
) -> None:
    """Erase the personal columns of the stored rows of the subjects that were erased."""
    for table, change in changes.items():
        if not change.scrubbed:
            continue
        with naming_tables([table]):
            await conn.execute(scrub_statement(table, schema), change.scrubbed)


async def scrub_shadow(
    conn: Connection, table: DerivedTable, erased: DerivedTable, schema: str
) -> None:
    """Erase the personal columns of all rows of erased subjects in a table without indexes.

    A rebuild does this once for each table, however many persons were erased: every erasure for
    itself would read the whole table. `erased` is the table of erased subjects.
    """
    if table.erased_values:
        subjects = f'(SELECT "{erased.key}" FROM {schema}."{erased.name}")'
        await conn.execute(_scrub(table, schema, f"IN {subjects}"))


def scrub_statement(table: DerivedTable, schema: str | None = None) -> str:
    """Return the SQL that erases the personal columns of data subjects: `$1`, an array of ids."""
    return _scrub(table, schema or table.schema, "= ANY($1::uuid[])")


def _scrub(table: DerivedTable, schema: str, is_erased: str) -> str:
    values = table.erased_values
    columns = ", ".join(f'"{column}"' for column in values)
    erased = ", ".join(map(_literal, values.values()))
    return (
        f'UPDATE {schema}."{table.name}" SET ({columns}) = ROW({erased}) '
        f'WHERE "{table.subject_column}" {is_erased} '
        f"AND ROW({columns}) IS DISTINCT FROM ROW({erased})"
    )


def _literal(value: Any) -> str:
    """Return an erased value as SQL."""
    if value is None:
        return "NULL"
    return "'{}'::jsonb" if value == {} else f"'{value}'::text"
