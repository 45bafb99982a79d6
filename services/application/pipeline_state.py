"""The state of the pipeline from log to tables, as operators see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from events.log.sequencer import LogState
from events.log.staged_backlog import StagedBacklog
from events.timers import TimerKind
from projections.engine.standstill import Standstill

MAX_COUNT = 10_000
"""Rows that are counted at most; a larger number is shown as this one."""


class RelayState(NamedTuple):
    """The relay that has the lease, the events without a position, and those not on the bus."""

    name: str | None
    is_alive: bool
    unnumbered: int
    unpublished: int

    @property
    def behind(self) -> int:
        return self.unnumbered + self.unpublished


class ShardState(NamedTuple):
    """A shard with events: its head, the checkpoint of a group, and how far that is behind."""

    shard: int
    head: int
    reached: int
    lag_events: int
    lag_seconds: float
    owner: str | None
    moved_at: datetime
    parked: int


@dataclass(frozen=True, slots=True)
class GroupState:
    """The checkpoints of a group: projections or policies. `beyond_log`: shards beyond the log."""

    name: str
    build_version: str
    versions: frozenset[str]
    generations: frozenset[int]
    shards: tuple[ShardState, ...]
    standstill: Standstill | None
    beyond_log: tuple[int, ...]

    @property
    def lag_events(self) -> int:
        return sum(shard.lag_events for shard in self.shards)

    @property
    def lag_seconds(self) -> float:
        """The age of the oldest event that the group has not applied."""
        return max((shard.lag_seconds for shard in self.shards), default=0.0)

    @property
    def owners(self) -> Mapping[str, tuple[ShardState, ...]]:
        """Return process → its shards, for shards that have an owner."""
        owners: dict[str, tuple[ShardState, ...]] = {}
        for shard in self.shards:
            if shard.owner:
                owners[shard.owner] = (*owners.get(shard.owner, ()), shard)
        return owners


class TimerState(NamedTuple):
    """The timers of a kind: how many are due, and the instant of the first one."""

    kind: str
    due: int
    first_at: datetime | None


class StopState(NamedTuple):
    """A stop of messages that is in force; of all messages without a property."""

    property_id: UUID | None
    stopped_at: datetime
    stopped_by: str
    reason: str


class MinuteCounts(NamedTuple):
    """Events of the last minute: all, by HTTP, by producers; and messages handed over."""

    total: int
    http: int
    intake: int
    messages: int


class DatabaseState(NamedTuple):
    """The database: since when it runs, its sessions, its oldest transaction, and its size."""

    started_at: datetime
    sessions: int
    max_sessions: int
    oldest_transaction_seconds: float
    size_bytes: int


@dataclass(frozen=True, slots=True)
class PipelineState:
    """All that an operator sees of the pipeline at one instant.

    `parked` and `refused` are reason → number; `sessions` is process → database sessions.
    """

    log: LogState
    last_minute: MinuteCounts
    database: DatabaseState
    relay: RelayState
    bus_records: Mapping[str, int]
    projection: GroupState
    policies: GroupState
    parked: Mapping[str, int]
    parked_behind: int
    timers: tuple[TimerState, ...]
    held_messages: int
    unknown_messages: int
    stops: tuple[StopState, ...]
    refused: Mapping[str, int]
    waiting_records: int
    staged: StagedBacklog
    policy_failures: int
    sessions: Mapping[str, int]

    def timer(self, kind: TimerKind) -> TimerState:
        """Return the timers of a kind."""
        return next(timer for timer in self.timers if timer.kind == kind)
