"""A simulated bus that keeps the order inside a partition and guarantees nothing else."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeAlias

import asyncpg
from hypothesis import strategies as st
from msgspec.structs import replace

from events.bus import wire
from events.bus.wire import ReceivedRecord
from events.log import read, sequencer
from events.log.sequencer import LogState
from projections.catalog import LIVE
from projections.engine import checkpoints
from projections.engine.batch import WriterIdentity
from projections.engine.checkpoints import FencingError
from projections.engine.live import Engine
from projections.engine.projection_pipeline import ProjectionPipeline

PARTITIONS = 4
EVERY_SHARD = range(64)


class ActionKind(StrEnum):
    """An action of the bus, a consumer or the watchdog."""

    RECEIVE = "receive"
    """Add the next records of a partition to the batch."""
    LOSE = "lose"
    """Lose the next records of a partition."""
    REREAD = "reread"
    """Read a partition again, from an earlier offset."""
    APPLY = "apply"
    """Apply the batch."""
    FLUSH = "flush"
    """Wait until all applied records are durable."""
    TAKE_OVER = "take_over"
    """Let another consumer own all shards, while the replaced one continues with its batch."""
    FOREIGN = "foreign"
    """Add records of another log generation to the batch."""
    FILL = "fill"
    """Let the watchdog fill all gaps."""


class DeliveryAction(NamedTuple):
    """An action on a partition, with a number of records."""

    kind: ActionKind
    partition: int = 0
    records: int = 0


FREQUENT = (ActionKind.RECEIVE, ActionKind.RECEIVE, ActionKind.APPLY)
delivery_actions = st.builds(
    DeliveryAction,
    st.sampled_from([*FREQUENT, *ActionKind]),
    st.integers(0, PARTITIONS - 1),
    st.integers(1, 12),
)


class DeliveryPlan(NamedTuple):
    """Actions, and then batches of `rest` records; with 0, the remaining records are lost."""

    actions: Sequence[DeliveryAction] = ()
    rest: int = 0


delivery_plans = st.builds(
    DeliveryPlan,
    st.lists(delivery_actions, min_size=5, max_size=60),
    st.sampled_from([0, 1, 5, 20, 1_000]) | st.integers(0, 50),
)
FROM_LOG = DeliveryPlan()
"""No record arrives: all events are read from the log."""


EngineMaker: TypeAlias = Callable[[asyncpg.Pool, LogState], Awaitable[Engine]]
"""Makes an engine that owns all shards."""


@dataclass
class BusSimulator:
    """A bus that delivers the records of a log as planned, and a watchdog that fills the gaps."""

    pool: asyncpg.Pool
    state: LogState
    partitions: dict[int, list[ReceivedRecord]]
    engine: Engine
    make_engine: EngineMaker
    offsets: dict[int, int] = field(default_factory=dict)
    batch: list[ReceivedRecord] = field(default_factory=list)

    async def deliver(self, plan: DeliveryPlan) -> None:
        """Run the plan, and then fill all gaps from the log."""
        for action in plan.actions:
            await self._run(action)
        while plan.rest and self._unread_partitions():
            for partition in self._unread_partitions():
                self._receive(partition, plan.rest)
            await self._apply()
        await self._apply()
        await self._fill_gaps()
        await self.engine.flush()

    async def _run(self, action: DeliveryAction) -> None:
        offset = self.offsets.get(action.partition, 0)
        match action.kind:
            case ActionKind.RECEIVE:
                self._receive(action.partition, action.records)
            case ActionKind.LOSE:
                self.offsets[action.partition] = offset + action.records
            case ActionKind.REREAD:
                self.offsets[action.partition] = max(0, offset - action.records)
            case ActionKind.APPLY:
                await self._apply()
            case ActionKind.FLUSH:
                await self.engine.flush()
            case ActionKind.FOREIGN:
                self.batch += [
                    replace(record, generation=record.generation + 1)
                    for record in self.partitions[action.partition][
                        offset : offset + action.records
                    ]
                ]
            case ActionKind.FILL:
                await self._fill_gaps()
            case ActionKind.TAKE_OVER:
                replaced, self.engine = self.engine, await self.make_engine(self.pool, self.state)
                with suppress(FencingError):
                    await replaced.apply(self.batch)
                    await replaced.flush()

    def _unread_partitions(self) -> list[int]:
        """Return the partitions that have unread records."""
        return [
            p for p, records in self.partitions.items() if self.offsets.get(p, 0) < len(records)
        ]

    def _receive(self, partition: int, count: int) -> None:
        offset = self.offsets.get(partition, 0)
        self.batch += self.partitions[partition][offset : offset + count]
        self.offsets[partition] = offset + count

    async def _apply(self) -> None:
        batch, self.batch = self.batch, []
        await self.engine.apply(batch)

    async def _fill_gaps(self) -> None:
        while gaps := await self.engine.find_gaps():
            for shard, head in gaps.items():
                await self.engine.fill_gap(shard, head)
            await self.engine.flush()


async def new_engine(pool: asyncpg.Pool, state: LogState) -> Engine:
    """Return a new engine that owns all shards."""
    async with pool.acquire() as conn:
        await checkpoints.create(conn, LIVE.name, LIVE.version, state.generation)
    engine = Engine(ProjectionPipeline(pool, WriterIdentity(LIVE, state.generation)), "replay")
    await engine.own(EVERY_SHARD)
    return engine


async def make_bus(pool: asyncpg.Pool, make_engine: EngineMaker = new_engine) -> BusSimulator:
    """Return a bus with the whole log as records, and a new engine."""
    async with pool.acquire() as conn:
        state = await sequencer.read_log_state(conn)
        rows = await read.position_rows(conn, after=0, upto=state.position)
    partitions: dict[int, list[ReceivedRecord]] = {number: [] for number in range(PARTITIONS)}
    for row in rows:
        record = wire.record_of(row, state.id, state.generation)
        received = wire.read_record(record.value, state.id)
        partitions[row["shard"] % PARTITIONS].append(received)
    return BusSimulator(pool, state, partitions, await make_engine(pool, state), make_engine)
