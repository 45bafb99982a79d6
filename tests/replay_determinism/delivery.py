"""Delivery by a bus that keeps order inside a partition and promises nothing else."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import asyncpg
from hypothesis import strategies as st
from msgspec.structs import replace

from events.bus import wire
from events.bus.wire import Arrival
from events.log import read, sequencer
from events.log.sequencer import LogState
from projections.catalog import LIVE
from projections.engine import checkpoints
from projections.engine.apply import Life
from projections.engine.checkpoints import Fenced
from projections.engine.live import Engine

PARTITIONS = 4
EVERY_SHARD = range(64)


class Op(StrEnum):
    """What the bus, or the world around it, does next."""

    TAKE = "take"
    """Some records of a partition join the batch."""
    LOSE = "lose"
    """Some records of a partition never come."""
    AGAIN = "again"
    """A partition is read again from some records before."""
    CUT = "cut"
    """The batch is applied."""
    SETTLE = "settle"
    """Everything is waited for."""
    MOVE = "move"
    """Another consumer takes over; the old one does not know yet, and goes on with its batch."""
    STRANGE = "strange"
    """Records of another life of the log join the batch."""
    HEAL = "heal"
    """The watch finds the consumer behind."""


class Act(NamedTuple):
    """One operation, on a partition, with a number of records."""

    op: Op
    partition: int = 0
    records: int = 0


OFTEN = (Op.TAKE, Op.TAKE, Op.CUT)
acts = st.builds(
    Act, st.sampled_from([*OFTEN, *Op]), st.integers(0, PARTITIONS - 1), st.integers(1, 12)
)


class Plan(NamedTuple):
    """What is done first, and in batches of how many records the rest comes; 0: it never comes."""

    acts: Sequence[Act] = ()
    rest: int = 0


plans = st.builds(
    Plan,
    st.lists(acts, min_size=5, max_size=60),
    st.sampled_from([0, 1, 5, 20, 1_000]) | st.integers(0, 50),
)
FROM_LOG = Plan()
"""No record ever comes: everything is healed from the log."""


@dataclass
class Courier:
    """Brings a log's records to an engine as a plan says, then heals what never came."""

    pool: asyncpg.Pool
    state: LogState
    partitions: dict[int, list[Arrival]]
    engine: Engine
    reached: dict[int, int] = field(default_factory=dict)
    batch: list[Arrival] = field(default_factory=list)

    async def deliver(self, plan: Plan) -> None:
        """Follow the plan to its end, and heal what it did not bring."""
        for act in plan.acts:
            await self._do(act)
        while plan.rest and self._left():
            for partition in self._left():
                self._take(partition, plan.rest)
            await self._apply()
        await self._apply()
        await self._heal()
        await self.engine.settle()

    async def _do(self, act: Act) -> None:
        here = self.reached.get(act.partition, 0)
        match act.op:
            case Op.TAKE:
                self._take(act.partition, act.records)
            case Op.LOSE:
                self.reached[act.partition] = here + act.records
            case Op.AGAIN:
                self.reached[act.partition] = max(0, here - act.records)
            case Op.CUT:
                await self._apply()
            case Op.SETTLE:
                await self.engine.settle()
            case Op.STRANGE:
                self.batch += [
                    replace(came, generation=came.generation + 1)
                    for came in self.partitions[act.partition][here : here + act.records]
                ]
            case Op.HEAL:
                await self._heal()
            case Op.MOVE:
                replaced, self.engine = self.engine, await new_engine(self.pool, self.state)
                with suppress(Fenced):
                    await replaced.apply(self.batch)
                    await replaced.settle()

    def _left(self) -> list[int]:
        """Partitions that have more to bring."""
        return [p for p, came in self.partitions.items() if self.reached.get(p, 0) < len(came)]

    def _take(self, partition: int, count: int) -> None:
        here = self.reached.get(partition, 0)
        self.batch += self.partitions[partition][here : here + count]
        self.reached[partition] = here + count

    async def _apply(self) -> None:
        batch, self.batch = self.batch, []
        await self.engine.apply(batch)

    async def _heal(self) -> None:
        while behind := await self.engine.behind():
            for shard, head in behind.items():
                await self.engine.fill_gap(shard, head)
            await self.engine.settle()


async def new_engine(pool: asyncpg.Pool, state: LogState) -> Engine:
    """An engine that has just been assigned everything."""
    async with pool.acquire() as conn:
        await checkpoints.create(conn, LIVE.name, LIVE.version, state.generation)
    engine = Engine(pool, Life(LIVE, state.generation), "law")
    await engine.claim(EVERY_SHARD)
    return engine


async def courier(pool: asyncpg.Pool) -> Courier:
    """A courier with the whole log as records, and an engine of its own."""
    async with pool.acquire() as conn:
        state = await sequencer.state(conn)
        rows = await read.position_rows(conn, after=0, upto=state.position)
    found: dict[int, list[Arrival]] = {number: [] for number in range(PARTITIONS)}
    for row in rows:
        record = wire.record_of(row, state.id, state.generation)
        came = wire.arrival(record.value, state.id)
        found[row["shard"] % PARTITIONS].append(came)
    return Courier(pool, state, found, await new_engine(pool, state))
