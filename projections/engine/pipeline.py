"""The interface between the engine and what it does with events: project them, or react to them."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

import asyncpg

from events.log.connection import Connection
from events.record import RecordedEvent
from projections.engine.derived_table import DerivedTable
from projections.engine.owned_shards import OwnedShards


class CheckpointGroup(Protocol):
    """The owner of one checkpoint per shard: a projection group, or the policies."""

    @property
    def name(self) -> str: ...
    @property
    def work(self) -> str:
        """Return the name of the work for messages, such as `projection`."""

    @property
    def version(self) -> str:
        """Return the text that the stored checkpoints must have."""

    @property
    def tables(self) -> Sequence[DerivedTable]:
        """Return the derived tables that belong to the checkpoints; policies have none."""


@dataclass(slots=True)
class EventCounts:
    """Numbers of events since the start of the engine."""

    applied: int = 0
    duplicates: int = 0
    filled: int = 0
    parked: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Reason → number of records that were not believed."""


class Pipeline(Protocol):
    """The work on events of owned shards, each after all before it in its shard, without gaps.

    It moves the checkpoints of `owned`. Its methods must not run at the same time: the engine's
    lock orders them. After an error the engine calls `abandon`.
    """

    owned: OwnedShards
    counts: EventCounts

    @property
    def pool(self) -> asyncpg.Pool: ...
    @property
    def group(self) -> CheckpointGroup: ...
    @property
    def generation(self) -> int:
        """Return the log generation that the pipeline assumes."""

    @property
    def accepted(self) -> int:
        """Return the number of events that `apply` ever accepted."""

    @property
    def durable(self) -> int:
        """Return how many of `accepted` are durable, together with their checkpoints."""

    @property
    def writing(self) -> "asyncio.Task[None] | None":
        """Return the task that makes events durable at present, or the one that failed."""

    async def apply(self, recorded_events: Sequence[RecordedEvent]) -> None:
        """Accept events. Raise `FencingError` if another consumer owns a shard."""

    async def drain(self) -> None:
        """Wait until all accepted events are durable."""

    def forget(self) -> None:
        """Drop what memory has of the tables: another consumer may have written them."""

    def abandon(self) -> None:
        """Give up the events that are not durable, and all shards: memory may be wrong."""

    async def read_waiting_ids(
        self, conn: Connection, shards: Iterable[int]
    ) -> dict[int, set[UUID]]:
        """Return shard → the ids whose events must wait."""
