"""Projections: a derived table and the pure functions that compute its rows from events."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias, TypeVar

from events.event import Event
from events.record import RecordedEvent
from projections.engine.derived_table import DerivedTable
from projections.engine.table_rows import TableRows


class Tables(NamedTuple):
    """The rows that a projector may touch: those of its table, and of its private state."""

    rows: TableRows
    state: TableRows
    """The same as `rows` if the projection has no state table."""


ProjectorFunction: TypeAlias = Callable[[Tables, RecordedEvent, Any], None]
F = TypeVar("F", bound=ProjectorFunction)


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """A named, versioned derived table with the projectors that fold events into it.

    The name never changes. If the projectors compute other rows from the same events, increase
    `version`: the tables then need a rebuild.
    """

    name: str
    version: int
    table: DerivedTable
    state: DerivedTable | None = None
    projectors: dict[type[Event], ProjectorFunction] = field(default_factory=dict)

    def on(self, *kinds: type[Event]) -> Callable[[F], F]:
        """Register a pure function (tables, recorded event, event) for these event classes.

        Raise `ValueError` if the projection has a projector for one of them.
        """

        def register(projector: F) -> F:
            for kind in kinds:
                if kind in self.projectors:
                    raise ValueError(f"{self.name} has two projectors for {kind.name}: keep one")
                self.projectors[kind] = projector
            return projector

        return register

    @property
    def tables(self) -> tuple[DerivedTable, ...]:
        return (self.table,) if self.state is None else (self.table, self.state)
