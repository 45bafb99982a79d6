"""The queue of bookings: without it, overlapping times and agents are booked twice."""

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
from services.application.tours import execute_tour_command
from services.application.unit_of_work import UnitOfWork
from services.deciders.decider import Refused
from services.deciders.local_time import When
from services.deciders.slot_times import SlotTime
from services.deciders.tour_bookings import ScheduleTour
from tests.conftest import until
from tests.services.application.test_command_handler import WHEN, CommandHarness
from tests.world import make_world

QUARTER_PAST = When(WHEN.tour_date, time(14, 15), WHEN.time_zone)


async def _no_queue(
    _: UnitOfWork, slots: Iterable[SlotTime | None], agent: UUID | None = None
) -> None:
    """Take no locks, so that bookings do not wait for each other."""


async def book_concurrently(
    pool: asyncpg.Pool,
    first: tuple[CommandHarness, ScheduleTour],
    second: tuple[CommandHarness, ScheduleTour],
    queues: bool,
) -> list[Any]:
    """Book `first`; when it is decided and not yet committed, start to book `second`.

    Return the outcome of the second booking. `queues` states whether it is expected to wait.
    """
    others: list[asyncio.Task[Any]] = []

    async def book(harness: CommandHarness, command: ScheduleTour) -> None:
        async def work(uow: UnitOfWork) -> None:
            await execute_tour_command(uow, command)

        await transact(harness.world.pool, harness.scope, work)

    async def work(uow: UnitOfWork) -> None:
        await execute_tour_command(uow, first[1])
        if not others:
            others.append(asyncio.create_task(book(*second)))
            await (until(is_anybody_waiting) if queues else asyncio.wait(others))

    async def is_anybody_waiting() -> bool:
        async with pool.acquire() as conn:
            return bool(await conn.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

    await transact(first[0].world.pool, first[0].scope, work)
    return await asyncio.gather(*others, return_exceptions=True)


@pytest.mark.parametrize("protected", [True, False])
async def test_overlapping_times_share_their_places(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    if not protected:
        monkeypatch.setattr(tours, "lock_slot_days", _no_queue)
    harness = CommandHarness(await make_world(pool))
    first, second = [
        ScheduleTour(uuid4(), await harness.lead(), at=harness.world.now, when=when, source="x")
        for when in (WHEN, QUARTER_PAST)
    ]
    (outcome,) = await book_concurrently(pool, (harness, first), (harness, second), protected)
    assert (isinstance(outcome, Refused) and outcome.code == "slot_full") is protected
    assert (await harness.log()).count("tour.scheduled") == (1 if protected else 2)


@pytest.mark.parametrize("protected", [True, False])
async def test_an_agent_of_two_properties_has_one_tour_at_a_time(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    if not protected:
        monkeypatch.setattr(tours, "lock_slot_days", _no_queue)
    world, agent = await make_world(pool, properties=2), uuid4()
    async with pool.acquire() as conn:
        await conn.execute("INSERT INTO profiles (id, org_id) VALUES ($1, $2)", agent, world.org_id)
    here, there = (
        CommandHarness(world),
        CommandHarness(replace(world, properties=world.properties[1:])),
    )
    first, second = [
        ScheduleTour(
            uuid4(), await harness.lead(), at=world.now, when=when, source="x",
            assigned_agent_id=agent,
        )
        for harness, when in ((here, WHEN), (there, QUARTER_PAST))
    ]  # fmt: skip
    (outcome,) = await book_concurrently(pool, (here, first), (there, second), protected)
    assert (isinstance(outcome, Refused) and outcome.code == "agent_busy") is protected
    assert (await here.log()).count("tour.scheduled") == (1 if protected else 2)


async def test_an_agent_of_another_organisation_is_unknown_whether_busy_or_not(
    pool: asyncpg.Pool,
) -> None:
    harness, other, agent = (
        CommandHarness(await make_world(pool)),
        CommandHarness(await make_world(pool)),
        uuid4(),
    )
    async with pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO profiles (id, org_id) VALUES ($1, $2)", agent, other.world.org_id
        )
    codes = []
    for tenant in (other, harness):
        command = ScheduleTour(
            uuid4(), await tenant.lead(), at=tenant.world.now, when=WHEN, source="x",
            assigned_agent_id=agent,
        )  # fmt: skip

        async def work(uow: UnitOfWork, command: ScheduleTour = command) -> None:
            await execute_tour_command(uow, command)

        try:
            await transact(pool, tenant.scope, work)
        except Refused as refused:
            codes.append(refused.code)
    assert codes == ["unknown_profile"]
