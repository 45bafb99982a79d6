"""Who books queues: without it, times that overlap are booked twice, and agents too."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import time
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.application import tours
from services.application.command_handler import transact
from services.application.tours import carry_out
from services.application.unit_of_work import UnitOfWork
from services.deciders.decider import Refused
from services.deciders.local_time import When
from services.deciders.slot_times import SlotTime
from services.deciders.tour_bookings import ScheduleTour
from tests.conftest import until
from tests.services.application.test_command_handler import WHEN, Door
from tests.world import make_world

QUARTER_PAST = When(WHEN.tour_date, time(14, 15), WHEN.time_zone)


async def _no_queue(
    _: UnitOfWork, slots: Iterable[SlotTime | None], agent: UUID | None = None
) -> None:
    """As if nobody had to wait for anybody."""


async def overtaken(
    pool: asyncpg.Pool, mine: tuple[Door, ScheduleTour], theirs: tuple[Door, ScheduleTour],
    queues: bool,
) -> list[Any]:  # fmt: skip
    """Book `mine`; when it is decided, and not yet kept, `theirs` is tried."""
    others: list[asyncio.Task[Any]] = []

    async def book(door: Door, command: ScheduleTour) -> None:
        async def work(uow: UnitOfWork) -> None:
            await carry_out(uow, command)

        await transact(door.world.pool, door.scope, work)

    async def work(uow: UnitOfWork) -> None:
        await carry_out(uow, mine[1])
        if not others:
            others.append(asyncio.create_task(book(*theirs)))
            await (until(somebody_waits) if queues else asyncio.wait(others))

    async def somebody_waits() -> bool:
        async with pool.acquire() as conn:
            return bool(
                await conn.fetchval(
                    "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
                )
            )

    await transact(mine[0].world.pool, mine[0].scope, work)
    return await asyncio.gather(*others, return_exceptions=True)


@pytest.mark.parametrize("protected", [True, False])
async def test_times_that_overlap_are_one_place(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    if not protected:
        monkeypatch.setattr(tours, "queue_for", _no_queue)
    door = Door(await make_world(pool))
    mine, theirs = [
        ScheduleTour(uuid4(), await door.lead(), at=door.world.now, when=when, source="x")
        for when in (WHEN, QUARTER_PAST)
    ]
    (outcome,) = await overtaken(pool, (door, mine), (door, theirs), protected)
    assert (isinstance(outcome, Refused) and outcome.code == "slot_full") is protected
    assert (await door.log()).count("tour.scheduled") == (1 if protected else 2)


@pytest.mark.parametrize("protected", [True, False])
async def test_an_agent_of_two_houses_is_in_one_of_them(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    if not protected:
        monkeypatch.setattr(tours, "queue_for", _no_queue)
    world, agent = await make_world(pool, properties=2), uuid4()
    async with pool.acquire() as conn:
        await conn.execute("INSERT INTO profiles (id, org_id) VALUES ($1, $2)", agent, world.org_id)
    here, there = Door(world), Door(replace(world, properties=world.properties[1:]))
    mine, theirs = [
        ScheduleTour(
            uuid4(), await door.lead(), at=world.now, when=when, source="x",
            assigned_agent_id=agent,
        )
        for door, when in ((here, WHEN), (there, QUARTER_PAST))
    ]  # fmt: skip
    (outcome,) = await overtaken(pool, (here, mine), (there, theirs), protected)
    assert (isinstance(outcome, Refused) and outcome.code == "agent_busy") is protected
    assert (await here.log()).count("tour.scheduled") == (1 if protected else 2)


async def test_another_landlord_s_agents_are_not_told_of(pool: asyncpg.Pool) -> None:
    """Whose id is only known is no profile here, busy or not."""
    mine, other, agent = Door(await make_world(pool)), Door(await make_world(pool)), uuid4()
    async with pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO profiles (id, org_id) VALUES ($1, $2)", agent, other.world.org_id
        )
    codes = []
    for door in (other, mine):
        command = ScheduleTour(
            uuid4(), await door.lead(), at=door.world.now, when=WHEN, source="x",
            assigned_agent_id=agent,
        )  # fmt: skip

        async def work(uow: UnitOfWork, command: ScheduleTour = command) -> None:
            await carry_out(uow, command)

        try:
            await transact(pool, door.scope, work)
        except Refused as refused:
            codes.append(refused.code)
    assert codes == ["unknown_profile"]
