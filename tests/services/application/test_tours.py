"""Producers book in the same slots: a place is taken, given back, refused where there is none."""

from uuid import UUID, uuid4

import asyncpg
import pytest

from events.log import reserved_times
from events.log.read import streams
from events.record import Stream
from events.tours import (
    TourAmended,
    TourCancelled,
    TourRescheduled,
    TourScheduled,
    TourType,
)
from services.deciders.decider import Refused
from services.deciders.slot_times import slot_of
from tests.services.application.test_command_handler import WHEN, Door
from tests.world import make_world


@pytest.fixture
async def door(pool: asyncpg.Pool) -> Door:
    return Door(await make_world(pool))


def scheduled(lead: UUID, **more: object) -> TourScheduled:
    said = {"tour_id": uuid4(), "lead_id": lead, **WHEN.said, "tour_type": TourType.VIRTUAL,
            "source": "partner", **more}  # fmt: skip
    return TourScheduled.model_validate(said)


async def kept(door: Door, tour: UUID) -> TourScheduled:
    async with door.world.pool.acquire() as conn:
        first = (await streams(conn, [Stream("tour", tour)]))[0].event
    assert isinstance(first, TourScheduled)
    return first


async def test_what_a_producer_books_takes_a_place_and_names_it(door: Door) -> None:
    slot = slot_of(door.world.properties[0], WHEN)
    mine, key = scheduled(await door.lead(), slot_id=None), uuid4()
    await door.propose(mine, key)
    assert (await kept(door, mine.tour_id)).slot_id == slot.id
    assert (await door.propose(mine, key)).known == (key,)
    for other in (scheduled(await door.lead()), scheduled(await door.lead(), slot_id=slot.id)):
        with pytest.raises(Refused) as caught:
            await door.propose(other)
        assert caught.value.code == "slot_full"
    await door.propose(TourCancelled(tour_id=mine.tour_id, lead_id=mine.lead_id))
    await door.propose(scheduled(await door.lead(), slot_id=slot.id))
    await door.world.project()
    assert await door.world.count("tour_slots") == 1


async def test_a_slot_that_is_not_at_the_tour_s_time_is_disagreed_with(door: Door) -> None:
    with pytest.raises(Refused) as caught:
        await door.propose(scheduled(await door.lead(), slot_id=uuid4()))
    assert caught.value.code == "disagreed"


async def test_a_producer_does_not_book_an_agent_twice(door: Door) -> None:
    agent, first = uuid4(), await door.lead()
    async with door.world.pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO profiles (id, org_id) VALUES ($1, $2)", agent, door.world.org_id
        )
    mine = scheduled(first, assigned_agent_id=agent)
    await door.propose(mine)
    with pytest.raises(Refused) as caught:
        await door.propose(scheduled(await door.lead(), assigned_agent_id=agent))
    assert caught.value.code == "agent_busy"


async def rows(door: Door) -> dict[UUID, tuple[object, ...]]:
    async with door.world.pool.acquire() as conn:
        found = await conn.fetch("SELECT * FROM crm.tour_times")
    return {row["tour_id"]: (row["agent_id"], row["starts_at"], row["ends_at"]) for row in found}


async def test_the_rows_of_times_follow_from_the_log_alone(door: Door) -> None:
    """In one append or in many, they are the same."""
    world, agent = door.world, uuid4()
    lead = await door.lead()
    said = scheduled(lead)
    who = {"tour_id": said.tour_id, "lead_id": lead}
    moved = TourRescheduled.model_validate(
        who | WHEN.said | {"revision": 2, "duration_minutes": 45}
    )
    given = TourAmended.model_validate(who | {"assigned_agent_id": agent})
    noted = TourAmended.model_validate(who | {"notes": "a dog"})
    await world.append(*(world.new(event) for event in (said, moved, given, noted)))
    at_once = await rows(door)
    assert at_once[said.tour_id][0] == agent
    async with world.pool.acquire() as conn:
        await conn.execute("TRUNCATE crm.tour_times")
        for event in (said, moved, given, noted):
            await reserved_times.keep(conn, [world.new(event)])
    assert await rows(door) == at_once
    await world.append(world.new(TourCancelled.model_validate(who)))
    assert await rows(door) == {}
