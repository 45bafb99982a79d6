"""Scrubbing: rows of erased data subjects get the erased values before they are written."""

from collections.abc import Set

from projections.engine.derived_table import DerivedTable, StoredRow


class Scrubber:
    """The erasure of personal columns in rows of one table that are about to be written."""

    __slots__ = ("_subject", "_values")

    def __init__(self, table: DerivedTable) -> None:
        columns = table.columns
        self._subject = columns.index(table.subject_column)
        self._values = [
            (columns.index(column), b"{}" if value == {} else value)
            for column, value in table.erased_values.items()
        ]

    def scrub(self, rows: list[StoredRow], erased: Set[int]) -> list[StoredRow]:
        """Return the rows, those of erased subjects with the erased values."""
        at = self._subject
        return [
            self._scrubbed(row) if (key := row[at]) is not None and key.int in erased else row
            for row in rows
        ]

    def _scrubbed(self, row: StoredRow) -> StoredRow:
        values = list(row)
        for at, value in self._values:
            values[at] = value
        return tuple(values)
