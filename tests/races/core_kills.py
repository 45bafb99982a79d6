"""Runs that go on while all processes and servers of the core are killed at random."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from events.log import sequencer
from projections.engine import checkpoints
from services.application.policy_group import POLICIES
from services.runtime.database import pooled
from services.runtime.migrations import migrate
from tests.conftest import until
from tests.races.killed_core import BROKER, POSTGRES, KilledCore, run_servers
from tests.races.lying_server import LyingServer, lying_server, use_lying_server
from tests.races.message_account import Account, read_messages, take_account
from tests.races.processes import is_level
from tests.races.run_account import check_runs, check_tables
from tests.races.workflow_load import WorkflowLoad, make_load

KILLS = {
    "sender": 5, "workflows": 4, "api": 3, "relay": 2, POSTGRES: 2, "timers": 1, "projector": 1,
    BROKER: 1,
}  # fmt: skip
"""The kills of one round, which come in random order."""
MAX_REQUESTS_PER_KILL = 4
STALL_SECONDS = 300.0
"""Time in which a core that goes on makes some requests, also after the worst kill."""
SETTLE_SECONDS = 1_200.0
"""Time in which it works off what is left after the kills, on a busy machine."""
SOON = timedelta(minutes=30)
"""A timer that is not due for longer belongs to a message held for the night, or to a wait."""


@dataclass(frozen=True)
class KillFigures:
    """The result of a run of kills."""

    kills: Counter[str]
    runs: Counter[str]
    account: Account

    def __str__(self) -> str:
        return (
            f"{self.kills.total()} kills {dict(self.kills)}; {self.runs.total()} runs "
            f"{dict(self.runs)}; {self.account}"
        )


async def kill_everything(home: Path, *, kills: int) -> KillFigures:
    """Kill processes and servers while runs go on; check that each message was sent once at most.

    Raise `AssertionError` if a message or a run is lost, if the core stands still, or if an
    unknown message has no cause.
    """
    chance = random.Random(kills)
    async with lying_server(kills) as provider, run_servers(home) as core:
        core.settings = use_lying_server(
            core.settings, provider, public_url=core.settings.public_url
        )
        await asyncio.to_thread(migrate, core.settings.dsn)
        async with pooled(core.settings, "test", role=None) as pool:
            load = await make_load(pool, core.settings, provider)
        await core.start()
        try:
            async with pooled(core.settings, "test", role=None) as pool:
                await until(lambda: _has_checkpoints(pool))
            await _kill_under_load(core, load, provider, make_kills(kills, chance), chance)
            async with pooled(core.settings, "test", role=None) as pool:
                await until(lambda: _is_settled(core, pool), SETTLE_SECONDS)
        finally:
            await core.stop()
        async with pooled(core.settings, "test", role=None) as pool:
            runs = await check_runs(pool, load)
            messages = await read_messages(pool)
            account = take_account(messages, provider, core.kills)
            await check_tables(pool, messages)
        assert core.failures == []
        return KillFigures(core.counts, runs, account)


def make_kills(number: int, chance: random.Random) -> list[str]:
    """Return the names of what is killed, in rounds that contain everything."""
    names: list[str] = []
    while len(names) < number:
        names += chance.sample(list(KILLS), counts=list(KILLS.values()), k=sum(KILLS.values()))
    return names[:number]


async def _kill_under_load(
    core: KilledCore,
    load: WorkflowLoad,
    provider: LyingServer,
    names: Sequence[str],
    chance: random.Random,
) -> None:
    stop_load = asyncio.Event()
    loading = asyncio.create_task(load.run(stop_load))
    try:
        for name in names:
            target = provider.posted + chance.randint(1, MAX_REQUESTS_PER_KILL)
            await until(lambda target=target: _reaches(core, provider, target), STALL_SECONDS)  # type: ignore[misc]
            await core.kill(name, chance.randrange(100))
        await until(lambda: _reaches(core, provider, provider.posted), STALL_SECONDS)
    finally:
        stop_load.set()
        while not loading.done():
            await core.restart_ended()
            await asyncio.wait([loading], timeout=0.1)
        await loading


async def _reaches(core: KilledCore, provider: LyingServer, target: int) -> bool:
    """Return whether the provider has so many requests; start ended processes again."""
    await core.restart_ended()
    return provider.posted >= target


async def _has_checkpoints(pool: asyncpg.Pool) -> bool:
    """Return whether the policies have started, so that every later lead starts its runs."""
    async with pool.acquire() as conn:
        return bool(await checkpoints.positions(conn, POLICIES.name))


async def _is_settled(core: KilledCore, pool: asyncpg.Pool) -> bool:
    """Return whether nothing is left to do: all events are handled, and no timer is due soon."""
    await core.restart_ended()
    due = await pool.fetchval(
        "SELECT count(*) FROM crm.timers WHERE queue_at < $1", datetime.now(UTC) + SOON
    )
    if due or not await is_level(pool):
        return False
    async with pool.acquire() as conn:
        heads = await sequencer.read_shard_heads(conn)
        positions = await checkpoints.positions(conn, POLICIES.name)
        unnumbered = await sequencer.has_unnumbered_rows(conn)
        timers = await conn.fetchval(
            "SELECT count(*) FROM crm.timers WHERE queue_at < $1", datetime.now(UTC) + SOON
        )
    acted = all(positions.get(shard, 0) == head for shard, head in heads.items())
    return acted and not unnumbered and not timers
