"""The working set: the rows that the projections of a group keep in memory while they fold."""

import asyncio
from collections.abc import Iterable, Sequence
from functools import cache
from uuid import UUID

from events.event import Event
from events.leads import LeadErased
from events.log.error_text import describe_error
from events.record import RecordedEvent
from projections.engine.derived_table import DerivedTable, StoredRow
from projections.engine.erasure import ErasedSubjects
from projections.engine.projection import Projection, ProjectorFunction, Tables
from projections.engine.table_rows import RowChanges, TableRows

SLICE_EVENTS = 200
"""Events that are read or folded before the tasks that write and fetch may run."""


class PoisonEvent(Exception):
    """A projector raised an error: the event, the projection and the error."""

    def __init__(self, recorded: RecordedEvent, projection: str, error: Exception) -> None:
        super().__init__(
            f"{projection} could not fold {recorded.event.name} {recorded.id}: "
            f"{describe_error(error)}"
        )
        self.recorded, self.projection, self.error = recorded, projection, error


class WorkingSet:
    """Rows by table, and the projectors of each event class."""

    def __init__(self, projections: Sequence[Projection]) -> None:
        self.projections = tuple(projections)
        self.rows: dict[DerivedTable, TableRows] = {
            table: TableRows(table) for projection in projections for table in projection.tables
        }
        self.erased = ErasedSubjects()
        self._projectors: dict[type, list[tuple[ProjectorFunction, Tables, str]]] = {}
        self._key_fields: dict[type, list[tuple[DerivedTable, str]]] = {}
        for projection in projections:
            rows = self.rows[projection.table]
            tables = Tables(rows, rows if projection.state is None else self.rows[projection.state])
            for kind, projector in projection.projectors.items():
                self._projectors.setdefault(kind, []).append((projector, tables, projection.name))
                fields = _key_fields(projection.tables, kind)
                self._key_fields.setdefault(kind, []).extend(fields)
            if projection.table.lists_erased_subjects:
                erasure = (self._erase, tables, projection.name)
                self._projectors.setdefault(LeadErased, []).append(erasure)

    def missing_keys(
        self, recorded_events: Iterable[RecordedEvent]
    ) -> dict[DerivedTable, list[UUID]]:
        """Return by table the keys that folding these events may read and that are not loaded."""
        needed: dict[DerivedTable, dict[int, UUID]] = {table: {} for table in self.rows}
        fields = self._key_fields
        for recorded in recorded_events:
            event = recorded.event
            for table, name in fields.get(type(event), ()):
                value = getattr(event, name)
                if isinstance(value, UUID):
                    needed[table][value.int] = value
                elif value is not None:
                    needed[table].update((key.int, key) for key in value)
        missing = {table: self.rows[table].missing_keys(keys) for table, keys in needed.items()}
        return {table: keys for table, keys in missing.items() if keys}

    async def fold_in_slices(self, recorded_events: Sequence[RecordedEvent]) -> None:
        """Fold in slices. Other tasks run between them, such as the one that writes a batch."""
        for start in range(0, len(recorded_events), SLICE_EVENTS):
            self.fold(recorded_events[start : start + SLICE_EVENTS])
            await asyncio.sleep(0)

    def fold(self, recorded_events: Iterable[RecordedEvent]) -> None:
        """Fold events in order. Raise `PoisonEvent`; the working set must then be cleared."""
        projectors = self._projectors
        for recorded in recorded_events:
            event = recorded.event
            for projector, tables, name in projectors.get(type(event), ()):
                try:
                    projector(tables, recorded, event)
                except Exception as error:
                    raise PoisonEvent(recorded, name, error) from error

    def take_changes(self) -> dict[DerivedTable, RowChanges]:
        """Return by table what has to be written, parents before children."""
        erased, new = self.erased.numbers, self.erased.take_new()
        return {table: rows.take_changes(erased, new) for table, rows in self.rows.items()}

    def take_shadow_changes(self) -> dict[DerivedTable, RowChanges]:
        """Return the same for shadow tables, whose stored rows are scrubbed once at the end."""
        self.erased.take_new()
        return self.take_changes()

    def take_added_rows(self) -> dict[DerivedTable, list[StoredRow]]:
        """Return by table the rows that no later event reads, and forget them."""
        erased = self.erased.numbers
        return {table: rows.take_added_rows(erased) for table, rows in self.rows.items()}

    def drop_rows(self) -> None:
        """Drop every row, all of which are stored: the next batch loads the rows that it needs."""
        for rows in self.rows.values():
            rows.clear()

    def clear(self) -> None:
        """Drop everything, stored or not: the next batch loads what it needs."""
        self.drop_rows()
        self.erased.clear()

    def _erase(self, _tables: Tables, _recorded: RecordedEvent, event: LeadErased) -> None:
        self.erased.add(event.subjects)

    def __len__(self) -> int:
        return sum(len(rows) for rows in self.rows.values())


@cache
def _key_fields(
    tables: tuple[DerivedTable, ...], kind: type[Event]
) -> list[tuple[DerivedTable, str]]:
    return [(table, name) for table in tables for name in table.keyed_by if _has(kind, name)]


def _has(kind: type[Event], name: str) -> bool:
    return name in kind.model_fields or isinstance(getattr(kind, name, None), property)
