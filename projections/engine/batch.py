"""Batches: events that were folded, the row changes they caused, and who writes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from events.record import RecordedEvent
from projections.engine.checkpoints import Checkpoint
from projections.engine.derived_table import DerivedTable
from projections.engine.parked import ParkedEvent
from projections.engine.projection_group import ProjectionGroup
from projections.engine.table_rows import RowChanges


@dataclass(frozen=True, slots=True)
class WriterIdentity:
    """The projection group, log generation and schema that a writer assumes.

    `schema` is that of shadow tables; None for the live tables.
    """

    group: ProjectionGroup
    generation: int
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class FoldedEvents:
    """Events whose changes are in a working set.

    `moves`: shard → (the checkpoint before these events, the position after them).
    """

    recorded_events: Sequence[RecordedEvent]
    parked_events: Sequence[ParkedEvent]
    moves: Mapping[int, tuple[Checkpoint, int]]

    def followed_by(self, later: "FoldedEvents") -> "FoldedEvents":
        """Return both together, from the checkpoints before the first."""
        moves = dict(self.moves)
        for shard, (checkpoint, position) in later.moves.items():
            moves[shard] = (moves[shard][0] if shard in moves else checkpoint, position)
        return FoldedEvents(
            [*self.recorded_events, *later.recorded_events],
            [*self.parked_events, *later.parked_events],
            moves,
        )


@dataclass(frozen=True, slots=True)
class WriteBatch:
    """Folded events with the row changes they caused, ready to be written."""

    folded: FoldedEvents
    changes: Mapping[DerivedTable, RowChanges]
