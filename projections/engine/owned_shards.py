"""Owned shards: what a consumer keeps in memory about the shards that it owns."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from projections.engine.checkpoints import Checkpoint


@dataclass(slots=True)
class OwnedShards:
    """Checkpoints and waiting ids of the owned shards, as the engine assumes them."""

    checkpoints: dict[int, Checkpoint] = field(default_factory=dict)
    waiting: dict[int, set[UUID]] = field(default_factory=dict)
    """Shard → the ids that parked events touch."""
    lagging: set[int] = field(default_factory=set)
    """Shards with a gap that is longer than a page."""

    def add(self, checkpoints: Mapping[int, Checkpoint], waiting: Mapping[int, set[UUID]]) -> None:
        """Add shards as they are stored; replace what was assumed of them."""
        self.remove(checkpoints)
        self.checkpoints |= checkpoints
        self.waiting |= waiting

    def remove(self, shards: Iterable[int]) -> None:
        """Forget shards; do nothing for a shard that is not owned."""
        for shard in list(shards):
            self.checkpoints.pop(shard, None)
            self.waiting.pop(shard, None)
            self.lagging.discard(shard)

    def positions(self) -> dict[int, int]:
        """Return shard → position."""
        return {shard: checkpoint.position for shard, checkpoint in self.checkpoints.items()}
