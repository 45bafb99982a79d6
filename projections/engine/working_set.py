"""The working set of a unit: the rows its projections hold in memory while they fold."""

import asyncio
from collections.abc import Iterable, Sequence
from functools import cache
from uuid import UUID

from events.event import Event
from events.record import RecordedEvent
from projections.engine.projection import DerivedTable, Handler, Projection, Rows, Tables, Written

TURN_EVENTS = 200
"""So many facts are read or folded before the tasks that write and fetch get their turn."""


class Poison(Exception):
    """A projector could not fold a fact; the fact, and what the projector said."""

    def __init__(self, recorded: RecordedEvent, projection: str, error: Exception) -> None:
        super().__init__(
            f"{projection} could not fold {recorded.event.name} {recorded.id}: {error!r}"
        )
        self.recorded, self.projection, self.error = recorded, projection, error


class Work:
    """Rows by table, and which handler of which projection folds which kind of event."""

    def __init__(self, projections: Sequence[Projection]) -> None:
        self.projections = tuple(projections)
        self.rows: dict[DerivedTable, Rows] = {
            table: Rows(table) for projection in projections for table in projection.tables
        }
        self._handlers: dict[type, list[tuple[Handler, Tables, str]]] = {}
        self._keys: dict[type, list[tuple[DerivedTable, str]]] = {}
        for projection in projections:
            rows = self.rows[projection.table]
            tables = Tables(rows, rows if projection.state is None else self.rows[projection.state])
            for kind, handler in projection.handlers.items():
                self._handlers.setdefault(kind, []).append((handler, tables, projection.name))
                self._keys.setdefault(kind, []).extend(_keys(projection.tables, kind))

    def wanted(self, recorded_events: Iterable[RecordedEvent]) -> dict[DerivedTable, list[UUID]]:
        """The keys that folding `facts` may read and that are not held yet."""
        wanted: dict[DerivedTable, dict[int, UUID]] = {table: {} for table in self.rows}
        fields = self._keys
        for recorded in recorded_events:
            event = recorded.event
            for table, name in fields.get(type(event), ()):
                value = getattr(event, name)
                if isinstance(value, UUID):
                    wanted[table][value.int] = value
                elif value is not None:
                    wanted[table].update((key.int, key) for key in value)
        missing = {table: self.rows[table].missing(keys) for table, keys in wanted.items()}
        return {table: keys for table, keys in missing.items() if keys}

    async def fold_in_turns(self, recorded_events: Sequence[RecordedEvent]) -> None:
        """`fold`, letting other tasks go on meanwhile: what was folded before is being written."""
        for start in range(0, len(recorded_events), TURN_EVENTS):
            self.fold(recorded_events[start : start + TURN_EVENTS])
            await asyncio.sleep(0)

    def fold(self, recorded_events: Iterable[RecordedEvent]) -> None:
        """Fold facts in order. Raises `Poison`; the working set must then be forgotten."""
        handlers = self._handlers
        for recorded in recorded_events:
            event = recorded.event
            for handler, tables, name in handlers.get(type(event), ()):
                try:
                    handler(tables, recorded, event)
                except Exception as error:
                    raise Poison(recorded, name, error) from error

    def take(self) -> dict[DerivedTable, Written]:
        """What has to be written, by table, parents before children."""
        return {table: rows.take() for table, rows in self.rows.items()}

    def forget(self) -> None:
        for rows in self.rows.values():
            rows.forget()

    def __len__(self) -> int:
        return sum(len(rows) for rows in self.rows.values())


@cache
def _keys(tables: tuple[DerivedTable, ...], kind: type[Event]) -> list[tuple[DerivedTable, str]]:
    return [(table, name) for table in tables for name in table.keyed_by if _has(kind, name)]


def _has(kind: type[Event], name: str) -> bool:
    return name in kind.model_fields or isinstance(getattr(kind, name, None), property)
