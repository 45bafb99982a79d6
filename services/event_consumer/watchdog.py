"""The watchdog of a consumer: owns shards again after fencing, fills gaps, restarts a stalled one.

It also applies shards from the log that no living consumer owns, while the Kafka group waits for a
killed member.
"""

import asyncio
from collections.abc import Mapping

import asyncpg
from aiokafka.errors import KafkaError

from events.log import sequencer
from projections.engine import checkpoints
from projections.engine.checkpoints import FencingError, WrongVersion
from projections.engine.live import Engine
from services.event_consumer.consumer import EventConsumer
from services.event_consumer.liveness import Liveness, find_dead_owners
from services.event_consumer.metrics import ConsumerMetrics
from services.event_consumer.standstill_report import LAST_FAILURE
from services.runtime.database import CONNECTION_ERRORS, TRANSACTION_ERRORS
from services.runtime.event_signal import wait_for_any
from services.runtime.logging import get_logger
from services.runtime.process import sleep_unless

LOOK_SECONDS = 0.5
IDLE_LOOK_SECONDS = 2.0
"""Longest time between two looks while all shards are level and no event is announced."""
QUIET_SECONDS = 2.0
"""Time after which the gap of a shard is filled from the log if no record of it arrives.

A gap longer than a page is filled at once: its records arrive, but cannot be applied before.
"""
STILL_SECONDS = 10.0
"""Time after which a gap is filled although records of the shard arrive: they may be old ones."""
STALLED_SECONDS = 20.0
"""Time after which a consumer that does not read what the broker has is started again."""
TRUST_SECONDS = 30.0
"""Time for which an owner that took its shard back is trusted to be alive."""
AWAY_SECONDS = 300.0
"""Time without the database after which the process ends; its supervisor starts a new one."""

log = get_logger("consumer")


class Watchdog:
    """A loop that looks at one consumer, until stopped: twice a second unless nothing happens."""

    def __init__(
        self,
        engine: Engine,
        consumer: EventConsumer,
        pool: asyncpg.Pool,
        metrics: ConsumerMetrics,
        liveness: Liveness,
    ) -> None:
        self.engine, self.consumer, self.pool, self.metrics = engine, consumer, pool, metrics
        self._liveness = liveness
        self.trusted_until: dict[str, float] = {}
        """Owner → loop time until which it is trusted to be alive."""
        self._taken_from: dict[int, str] = {}
        """Shard → the owner from which this consumer took it over."""
        self._behind_since: dict[int, tuple[int, float]] = {}
        self._progress_at = self._now()
        self._success_at = self._now()
        self._last_positions: dict[int, int] = {}
        self._is_idle = False
        """True if the last look found all shards level, and this consumer the owner of its own."""
        self._woken = asyncio.Event()
        consumer.sleep.signal.add_sleeper(self._woken)

    async def run(self, stop: asyncio.Event) -> None:
        """Look until stopped.

        Raise `WrongVersion`, a fault of the database at once, and a connection error when the
        database has been unreachable for `AWAY_SECONDS`.
        """
        while not await self._pause(stop):
            try:
                self._is_idle = False
                self._woken.clear()
                await self._look()
                self._success_at = self._now()
            except (*CONNECTION_ERRORS, *TRANSACTION_ERRORS) as error:
                text = LAST_FAILURE.record(error)
                log.warning("consumer.database_away", error=text, is_retry=True)
                if self._now() - self._success_at > AWAY_SECONDS:
                    raise
            except FencingError as error:
                log.warning("consumer.fenced", shards=error.shards, is_retry=True)
            except KafkaError as error:
                log.warning("consumer.broker_away", error=error, is_retry=True)

    async def _pause(self, stop: asyncio.Event) -> bool:
        """Wait for the next look; return True at once when `stop` is set."""
        if self._is_idle and not self.consumer.sleep.signal.is_awake:
            await wait_for_any(IDLE_LOOK_SECONDS - LOOK_SECONDS, stop, self._woken)
        return await sleep_unless(stop, LOOK_SECONDS)

    async def _look(self) -> None:
        await self._liveness.acquire()
        async with self.pool.acquire() as conn:
            state = await sequencer.read_log_state(conn)
            heads = await sequencer.read_shard_heads(conn)
            positions = await checkpoints.positions(conn, self.engine.group.name)
            epochs = await checkpoints.owner_epochs(conn, self.engine.group.name)
            await self.metrics.update(conn, self.engine.counts)
        if state.generation != self.engine.generation:
            raise WrongVersion(
                f"the log has generation {state.generation}, but the tables were made from "
                f"generation {self.engine.generation}: run `crm replay rebuild --all`"
            )
        await self.engine.require_ownership(epochs)
        if lost := self.consumer.assigned - self.engine.owned_shards:
            await self.engine.own(sorted(lost))
        await self._take_over(heads, positions)
        for shard in {*self.engine.lagging_shards, *self._quiet(heads, positions)}:
            await self.engine.fill_gap(shard, heads[shard])
        await self.consumer.commit()
        await self._restart_if_stalled(heads, positions)
        is_level = all(positions.get(shard, 0) >= head for shard, head in heads.items())
        self._is_idle = is_level and self.consumer.assigned <= self.engine.owned_shards

    async def _take_over(self, heads: Mapping[int, int], positions: Mapping[int, int]) -> None:
        """Apply shards that are behind and without a living owner, until the group assigns them.

        Their owner is dead, or it is this process, whose partitions were revoked a moment ago.
        """
        assigned = self.consumer.assigned | self.engine.owned_shards
        behind = [
            shard
            for shard, head in heads.items()
            if positions.get(shard, 0) < head and shard not in assigned
        ]
        if behind:
            async with self.pool.acquire() as conn:
                owners = await find_dead_owners(
                    conn, self.engine.group.name, behind, self.engine.owner
                )
            if free := sorted(s for s, owner in owners.items() if self._is_dead(s, owner)):
                log.info("consumer.adopted", shards=free)
                await self.engine.own(free)
                self._taken_from |= {shard: owners[shard] for shard in free}
        for shard in self.engine.owned_shards - self.consumer.assigned:
            await self.engine.fill_gap(shard, heads.get(shard, 0))

    def _is_dead(self, shard: int, owner: str) -> bool:
        """Return whether the owner without a liveness lock is really dead.

        An owner that took its shard back is alive: its lock failed, not the process. Without this
        rule two consumers would take the shard from each other again and again.
        """
        if owner == self.engine.owner:
            return True
        if self._taken_from.pop(shard, None) == owner:
            self.trusted_until[owner] = self._now() + TRUST_SECONDS
        return self.trusted_until.get(owner, 0.0) <= self._now()

    def _quiet(self, heads: Mapping[int, int], positions: Mapping[int, int]) -> list[int]:
        """Return owned shards that made no progress and got no record for `QUIET_SECONDS`.

        Records that bring no progress for `STILL_SECONDS` count as none.
        """
        now = self._now()
        since: dict[int, tuple[int, float]] = {}
        for shard in self.engine.owned_shards:
            position = positions.get(shard, 0)
            if position < heads[shard]:
                before = self._behind_since.get(shard)
                since[shard] = before if before and before[0] == position else (position, now)
        self._behind_since = since
        received_at = self.consumer.received_at
        return [
            shard
            for shard, (_, began) in since.items()
            if now - max(began, received_at.get(shard, 0.0)) >= QUIET_SECONDS
            or now - began >= STILL_SECONDS
        ]

    async def _restart_if_stalled(
        self, heads: Mapping[int, int], positions: Mapping[int, int]
    ) -> None:
        """Restart a consumer that does not read although there is something to read.

        Some clients hang after a restart of the broker and report nothing. Without partitions the
        positions of the tables are compared instead.
        """
        if not self.consumer.started:
            return
        now = self._now()
        is_level = all(positions.get(shard, 0) >= head for shard, head in heads.items())
        if self.consumer.assigned:
            async with asyncio.timeout(10):
                lags = await self.consumer.is_lagging()
            is_stalled = lags and not self.engine.is_busy and now - self.consumer.read_at > 1
        else:
            is_stalled = not is_level and dict(positions) == self._last_positions
        self._last_positions = dict(positions)
        if not is_stalled:
            self._progress_at = now
        elif now - self._progress_at > STALLED_SECONDS:
            seconds = round(now - self._progress_at)
            log.warning("consumer.consumer_restarted", silent_seconds=seconds)
            await self.consumer.stop()
            await self.consumer.start()
            self._progress_at = self._now()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
