"""The policy pipeline: lets policies act because of events, and then moves the checkpoints.

The actions of an event are committed before its checkpoint moves. After a crash they are repeated,
and a repetition changes nothing, because their ids are derived from the event.
"""

import asyncio
from collections.abc import Iterable, Sequence
from uuid import UUID

import asyncpg

from events.log.connection import Connection
from events.record import RecordedEvent
from projections.engine import checkpoints
from projections.engine.apply import moves_of
from projections.engine.checkpoints import Checkpoint
from projections.engine.owned_shards import OwnedShards
from projections.engine.pipeline import EventCounts
from services.application.policy_group import POLICIES
from services.workflows.policy_failures import store_failure
from services.workflows.policy_runner import PolicyError, PolicyRunner

BATCH_EVENTS = 500
"""Events whose checkpoints move together: as many are repeated after a crash, at most."""
LEADS_AT_ONCE = 6
"""Leads for which policies act at the same time. For one lead they keep the order of the events.

The order of the events of two leads does not matter: each policy decides from the log.
"""


class PolicyPipeline:
    """A pipeline that lets policies act; what fails for good is stored and does not stop it."""

    def __init__(self, runner: PolicyRunner, generation: int) -> None:
        self.runner, self.generation = runner, generation
        self.group = POLICIES
        self.owned = OwnedShards()
        self.counts = EventCounts()
        self.writing: asyncio.Task[None] | None = None

    @property
    def pool(self) -> asyncpg.Pool:
        return self.runner.pool

    @property
    def accepted(self) -> int:
        return self.counts.applied

    @property
    def durable(self) -> int:
        return self.counts.applied

    async def apply(self, recorded_events: Sequence[RecordedEvent]) -> None:
        """Let policies act because of these events. Raise `FencingError` at a checkpoint."""
        for start in range(0, len(recorded_events), BATCH_EVENTS):
            await self._apply_batch(recorded_events[start : start + BATCH_EVENTS])

    async def drain(self) -> None:
        """Do nothing: `apply` returns when all is durable."""

    def forget(self) -> None:
        """Do nothing: there are no rows in memory."""

    def abandon(self) -> None:
        """Give up all shards."""
        self.owned.remove(self.owned.checkpoints)

    async def read_waiting_ids(
        self, _conn: Connection, _shards: Iterable[int]
    ) -> dict[int, set[UUID]]:
        """Return none: a failure of a policy lets no later event wait."""
        return {}

    async def _apply_batch(self, recorded_events: Sequence[RecordedEvent]) -> None:
        by_lead: dict[UUID, list[RecordedEvent]] = {}
        for recorded in recorded_events:
            if self.runner.select(recorded):
                by_lead.setdefault(recorded.lead_id or recorded.entity_id, []).append(recorded)
        slots = asyncio.Semaphore(LEADS_AT_ONCE)
        # All are awaited also if one fails: nothing may act after the shards are given up.
        results = await asyncio.gather(
            *(self._act_for_lead(events, slots) for events in by_lead.values()),
            return_exceptions=True,
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result
        moves = moves_of(recorded_events, self.owned.checkpoints)
        async with self.pool.acquire() as conn, conn.transaction():
            await checkpoints.advance(
                conn, self.group.name, self.group.version, self.generation, moves
            )
        for shard, (checkpoint, position) in moves.items():
            self.owned.checkpoints[shard] = Checkpoint(position, checkpoint.epoch)
        self.counts.applied += len(recorded_events)

    async def _act_for_lead(
        self, recorded_events: Sequence[RecordedEvent], slots: asyncio.Semaphore
    ) -> None:
        async with slots:
            for recorded in recorded_events:
                for policy in self.runner.select(recorded):
                    try:
                        await self.runner.run(policy, recorded)
                    except PolicyError as error:
                        await self._store(recorded, error)

    async def _store(self, recorded: RecordedEvent, error: PolicyError) -> None:
        async with self.pool.acquire() as conn, conn.transaction():
            await store_failure(conn, recorded, error)
