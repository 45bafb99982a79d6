"""Policies that get the events of a test's log: as records of a bus, or from the log for gaps."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from events.bus import wire
from events.bus.wire import ReceivedRecord
from events.log import read, sequencer
from projections.engine.head_checkpoints import create_at_heads
from projections.engine.live import Engine
from services.application.policy_group import POLICIES
from services.runtime.clock import Clock
from services.workflows.policies.catalog import CATALOG
from services.workflows.policies.policy import Policy
from services.workflows.policy_pipeline import PolicyPipeline
from services.workflows.policy_runner import PolicyRunner
from tests.world import World

EVERY_SHARD = range(64)


@dataclass(frozen=True)
class WorldClock(Clock):
    """The clock of a test's world."""

    world: World

    def now(self) -> datetime:
        return self.world.now


@dataclass
class PolicyBus:
    """The policies of one consumer, and what it receives."""

    world: World
    runner: PolicyRunner
    engine: Engine
    seen: int = field(default=0)
    """Position up to which records were delivered."""

    async def records(self) -> list[ReceivedRecord]:
        """Assign positions, and return the records that were not delivered yet."""
        await self.world.number()
        async with self.world.pool.acquire() as conn:
            state = await sequencer.read_log_state(conn)
            rows = await read.position_rows(conn, after=self.seen, upto=state.position)
        self.seen = state.position
        signed = [wire.record_of(row, state.id, state.generation) for row in rows]
        return [wire.read_record(record.value, state.id) for record in signed]

    async def deliver(self, records: Sequence[ReceivedRecord] | None = None) -> None:
        """Deliver these records, or all new ones."""
        await self.engine.apply(await self.records() if records is None else records)
        await self.engine.flush()

    async def fill(self) -> None:
        """Assign positions, and read what is missing from the log, as the watchdog does."""
        await self.world.number()
        for shard, head in (await self.engine.find_gaps()).items():
            await self.engine.fill_gap(shard, head)


async def open_policies(
    world: World, policies: Sequence[Policy] = CATALOG, owner: str = "one"
) -> PolicyBus:
    """Return policies that own every shard; those of a new database start at the head."""
    await world.number()
    async with world.pool.acquire() as conn:
        state = await sequencer.read_log_state(conn)
        await create_at_heads(conn, POLICIES.name, POLICIES.version, state.generation)
    runner = PolicyRunner(world.pool, WorldClock(world), policies)
    engine = Engine(PolicyPipeline(runner, state.generation), owner)
    await engine.own(EVERY_SHARD)
    return PolicyBus(world, runner, engine, state.position)
