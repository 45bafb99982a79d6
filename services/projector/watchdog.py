"""The watch over a consumer: claims what it was fenced from, heals holes, restarts a silent one.

Shards that nobody works for, while a group waits for a killed member, it folds from the log.
"""

import asyncio
from collections.abc import Mapping

import asyncpg
from aiokafka.errors import KafkaError

from events.log import sequencer
from projections.engine import checkpoints
from projections.engine.checkpoints import Fenced, WrongVersion
from projections.engine.live import Engine
from services.projector.consumer import Consumer
from services.projector.liveness import Presence, deserted
from services.projector.metrics import Figures
from services.runtime.database import AWAY
from services.runtime.logging import get_logger
from services.runtime.process import sleep_unless

WATCH_SECONDS = 0.5
QUIET_SECONDS = 2.0
"""A shard that is behind and of which nothing came for so long is healed from the log. One with a
long hole is healed at once: its records come, and are of no use until then."""
STALLED_SECONDS = 20.0
"""A consumer that has not read for so long what the broker holds is started anew."""
SPARED_SECONDS = 30.0
"""So long an owner that claimed an adopted shard back is believed to be there."""
AWAY_SECONDS = 300.0
"""So long the database may be away before the process gives up and leaves it to its supervisor."""

log = get_logger("projector")


class Watch:
    """Looks at one consumer twice a second, until stopped."""

    def __init__(
        self,
        engine: Engine,
        consumer: Consumer,
        pool: asyncpg.Pool,
        figures: Figures,
        presence: Presence,
    ) -> None:
        self.engine, self.consumer, self.pool, self.figures = engine, consumer, pool, figures
        self._presence = presence
        self.spared: dict[str, float] = {}
        """Owner → until when it is taken for alive (loop time)."""
        self._adopted_from: dict[int, str] = {}
        self._behind_since: dict[int, tuple[int, float]] = {}
        self._moved_at = self._now()
        self._well_at = self._now()
        self._seen: dict[int, int] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Raises `WrongVersion`, and what the database raises when it stays away too long."""
        while not await sleep_unless(stop, WATCH_SECONDS):
            try:
                await self._look()
                self._well_at = self._now()
            except AWAY as error:
                log.warning("projector.database_away", error=repr(error))
                if self._now() - self._well_at > AWAY_SECONDS:
                    raise
            except Fenced as error:
                log.warning("projector.fenced", shards=error.shards)
            except KafkaError as error:
                log.warning("projector.broker_away", error=repr(error))

    async def _look(self) -> None:
        await self._presence.hold()
        async with self.pool.acquire() as conn:
            state = await sequencer.state(conn)
            heads = await sequencer.heads(conn)
            reached = await checkpoints.positions(conn, self.engine.life.group.name)
            await self.figures.tell(conn, self.engine.counts)
        if state.generation != self.engine.life.generation:
            raise WrongVersion(
                f"the log is at generation {state.generation}, these tables were made from "
                f"generation {self.engine.life.generation}: run `crm replay rebuild --all`"
            )
        if lost := self.consumer.assigned - self.engine.owned:
            await self.engine.claim(sorted(lost))
        await self._adopt(heads, reached)
        for shard in {*self.engine.far, *self._quiet(heads, reached)}:
            await self.engine.fill_gap(shard, heads[shard])
        await self.consumer.commit()
        await self._restart_if_stalled(heads, reached)

    async def _adopt(self, heads: Mapping[int, int], reached: Mapping[int, int]) -> None:
        """Fold from the log what is behind in shards that nobody works for, until they are dealt.

        Their owner is dead, or is this process, whose partitions were revoked to be dealt anew.
        """
        ours = self.consumer.assigned | self.engine.owned
        behind = [s for s, head in heads.items() if reached.get(s, 0) < head and s not in ours]
        if behind:
            async with self.pool.acquire() as conn:
                owners = await deserted(
                    conn, self.engine.life.group.name, behind, self.engine.owner
                )
            if found := sorted(s for s, owner in owners.items() if self._is_gone(s, owner)):
                log.info("projector.adopted", shards=found)
                await self.engine.claim(found)
                self._adopted_from |= {shard: owners[shard] for shard in found}
        for shard in self.engine.owned - self.consumer.assigned:
            await self.engine.fill_gap(shard, heads.get(shard, 0))

    def _is_gone(self, shard: int, owner: str) -> bool:
        """Who has a shard again that was adopted from it is there: two never take turns."""
        if owner == self.engine.owner:
            return True
        if self._adopted_from.pop(shard, None) == owner:
            self.spared[owner] = self._now() + SPARED_SECONDS
        return self.spared.get(owner, 0.0) <= self._now()

    def _quiet(self, heads: Mapping[int, int], reached: Mapping[int, int]) -> list[int]:
        """Owned shards that have been behind for a while without a word from the bus."""
        now = self._now()
        since: dict[int, tuple[int, float]] = {}
        for shard in self.engine.owned:
            at = reached.get(shard, 0)
            if at < heads[shard]:
                before = self._behind_since.get(shard)
                since[shard] = before if before and before[0] == at else (at, now)
        self._behind_since = since
        heard = self.consumer.heard
        return [
            shard
            for shard, (_, began) in since.items()
            if now - max(began, heard.get(shard, 0.0)) >= QUIET_SECONDS
        ]

    async def _restart_if_stalled(
        self, heads: Mapping[int, int], reached: Mapping[int, int]
    ) -> None:
        """Known hangs of clients after broker restarts give no signal: compare, then restart."""
        if not self.consumer.started:
            return
        now = self._now()
        level = all(reached.get(shard, 0) >= head for shard, head in heads.items())
        heard = max(self.consumer.heard.values(), default=0.0)
        if self.consumer.assigned:
            silent = await asyncio.wait_for(self.consumer.lagging(), 10) and now - heard > 1
        else:
            silent = not level and dict(reached) == self._seen
        self._seen = dict(reached)
        if not silent:
            self._moved_at = now
        elif now - self._moved_at > STALLED_SECONDS:
            log.warning("projector.consumer_restarted", silent_seconds=round(now - self._moved_at))
            await self.consumer.stop()
            await self.consumer.start()
            self._moved_at = self._now()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
