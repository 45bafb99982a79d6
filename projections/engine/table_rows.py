"""Rows of one table in memory: what the projectors read and change, and what must be written."""

from collections.abc import Iterable, Mapping, Set
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from projections.engine.derived_table import DerivedTable, Row, StoredRow
from projections.engine.scrubber import Scrubber


def json_bytes(value: Any) -> bytes:
    """Return JSON as bytes of exactly its length.

    The buffer that orjson returns has a size of a kilobyte and is six times as slow to keep.
    """
    return bytes(memoryview(orjson.dumps(value)))


class RowChanges(NamedTuple):
    """The difference between the rows of one table and the stored rows, in column order.

    It is a copy: the next batch may be folded while this one is written.
    """

    inserted: list[StoredRow]
    updated: list[StoredRow]
    deleted: list[UUID]
    scrubbed: list[UUID]
    """Data subjects whose stored rows are erased, before the other changes."""


class TableRows:
    """The rows of one table that a batch may touch: their current values, and their changes.

    The dictionaries use the integer value of an id as key: hashing and comparing UUID objects is
    much slower. A row in `_current` is None if it is known not to exist.
    """

    __slots__ = (
        "_added", "_changed", "_columns", "_current", "_deleted", "_dropped", "_in_order",
        "_inserted", "_json", "_key", "_name", "_scrubber", "_table",
    )  # fmt: skip

    def __init__(self, table: DerivedTable) -> None:
        self._table = table
        self._name = table.name
        self._columns = table.columns
        self._key = table.columns.index(table.key)
        self._in_order = itemgetter(*table.columns)
        self._scrubber = Scrubber(table) if table.erased_values else None
        self._json = [(column, table.columns.index(column)) for column in table.json_columns]
        self._added: list[StoredRow] = []
        self._current: dict[int, Row | None] = {}
        self._inserted: dict[int, Row] = {}
        self._changed: dict[int, Row] = {}
        self._deleted: dict[int, UUID] = {}
        self._dropped: dict[int, UUID] = {}

    def get(self, key: UUID) -> Row | None:
        """Return the row to read it only. Raise `KeyError` if the engine did not load the key."""
        try:
            return self._current[key.int]
        except KeyError:
            raise KeyError(
                f"{self._name} {key} was not loaded: name its field in keyed_by"
            ) from None

    def add(self, row: Row) -> None:
        """Add a new row that no later event reads. A missing column is null, bytes are JSON.

        The row is not used afterwards: its JSON is encoded in place.
        """
        for column, _ in self._json:
            value = row.get(column)
            if value is not None and type(value) is not bytes:
                row[column] = json_bytes(value)
        self._added.append(self._ordered(row))

    def insert(self, key: UUID, row: Row) -> None:
        """Insert a new row. A missing column is null. Raise `ValueError` if the row exists."""
        number = key.int
        if self._current.get(number) is not None:
            raise ValueError(f"{self._name} {key} exists already")
        self._current[number] = row
        if self._deleted.pop(number, None) is None:
            self._inserted[number] = row
        else:
            self._changed[number] = row

    def change(self, key: UUID) -> Row:
        """Return the row to change it in place. Raise `LookupError` if there is none."""
        row = self.get(key)
        if row is None:
            raise LookupError(f"there is no {self._name} {key} to change")
        number = key.int
        if number not in self._inserted:
            self._changed[number] = row
        return row

    def update(self, key: UUID, **changes: Any) -> None:
        """Change columns of a row. Raise `LookupError` if there is none."""
        self.change(key).update(changes)

    def delete(self, key: UUID) -> None:
        """Delete a loaded row; do nothing if there is none."""
        if self.get(key) is None:
            return
        number = key.int
        self._current[number] = None
        self._changed.pop(number, None)
        if self._inserted.pop(number, None) is None:
            self._deleted[number] = key

    def drop(self, keys: Iterable[UUID]) -> None:
        """Delete rows whether they were loaded, were only added in this batch, or do not exist."""
        dropped = {key.int: key for key in keys}
        if not dropped:
            return
        at = self._key
        self._added = [row for row in self._added if row[at].int not in dropped]
        for number, key in dropped.items():
            self._changed.pop(number, None)
            self._deleted.pop(number, None)
            if self._inserted.pop(number, None) is None:
                self._dropped[number] = key
            self._current[number] = None

    def missing_keys(self, keys: Mapping[int, UUID]) -> list[UUID]:
        """Return the keys that are not loaded."""
        current = self._current
        return [key for number, key in keys.items() if number not in current]

    def load(self, keys: Iterable[UUID], rows: Mapping[UUID, Row]) -> None:
        """Keep the stored rows of these keys; a key without a row is known not to exist."""
        for key in keys:
            self._current[key.int] = rows.get(key)

    def reachable_keys(self, keys: Iterable[UUID]) -> dict[int, UUID]:
        """Return the keys of all loaded rows that can be reached from these by following."""
        reachable: dict[int, UUID] = {}
        frontier = {key.int: key for key in keys}
        while frontier:
            followed = self._table.followed_keys(self._current.get(at) for at in frontier)
            frontier = {at: key for at, key in followed.items() if at not in reachable}
            reachable |= frontier
        return reachable

    def take_added_rows(self, erased: Set[int] = frozenset()) -> list[StoredRow]:
        """Return the rows that no later event reads, and forget them.

        `erased`: the erased data subjects, by their integer value.
        """
        added, self._added = self._added, []
        return self._scrub(added, erased)

    def take_changes(
        self, erased: Set[int] = frozenset(), newly_erased: list[UUID] | None = None
    ) -> RowChanges:
        """Return all changes since the last call, and forget that they are to be written.

        `newly_erased`: the data subjects that were erased since then.
        """
        inserted = self._added + [self._stored(row) for row in self._inserted.values()]
        updated = [self._stored(row) for row in self._changed.values()]
        changes = RowChanges(
            self._scrub(inserted, erased),
            self._scrub(updated, erased),
            [*self._deleted.values(), *self._dropped.values()],
            list(newly_erased or ()) if self._scrubber else [],
        )
        self._added = []
        self._inserted, self._changed, self._deleted, self._dropped = {}, {}, {}, {}
        return changes

    def _scrub(self, rows: list[StoredRow], erased: Set[int]) -> list[StoredRow]:
        return self._scrubber.scrub(rows, erased) if erased and self._scrubber else rows

    def _stored(self, row: Row) -> StoredRow:
        """Return the row in column order.

        JSON is encoded now, because the row may be changed while it is sent.
        """
        ordered = self._ordered(row)
        if not self._json:
            return ordered
        stored = list(ordered)
        for _, at in self._json:
            value = stored[at]
            if value is not None and type(value) is not bytes:
                stored[at] = json_bytes(value)
        return tuple(stored)

    def _ordered(self, row: Row) -> StoredRow:
        """Return the values of the row in column order."""
        if len(row) == len(self._columns):
            ordered: StoredRow = self._in_order(row)
            return ordered
        return tuple(map(row.get, self._columns))

    def __len__(self) -> int:
        return len(self._current)

    def clear(self) -> None:
        """Drop every row: the next batch loads the rows that it needs."""
        self.take_changes()
        self._current.clear()
