"""Tours booked by producers: they take, release and are refused places like any other tour."""

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
from services.deciders.slot_times import make_slot_time
from tests.services.application.test_command_handler import WHEN, CommandHarness
from tests.world import make_world


@pytest.fixture
async def harness(pool: asyncpg.Pool) -> CommandHarness:
    return CommandHarness(await make_world(pool))


def scheduled(lead: UUID, **more: object) -> TourScheduled:
    fields = {"tour_id": uuid4(), "lead_id": lead, **WHEN.event_fields,
              "tour_type": TourType.VIRTUAL, "source": "partner", **more}  # fmt: skip
    return TourScheduled.model_validate(fields)


async def read_booking(harness: CommandHarness, tour: UUID) -> TourScheduled:
    async with harness.world.pool.acquire() as conn:
        first = (await streams(conn, [Stream("tour", tour)]))[0].event
    assert isinstance(first, TourScheduled)
    return first


async def test_a_tour_of_a_producer_takes_a_place_and_gets_its_slot_id(
    harness: CommandHarness,
) -> None:
    slot = make_slot_time(harness.world.properties[0], WHEN)
    tour, key = scheduled(await harness.lead(), slot_id=None), uuid4()
    await harness.send(tour, key)
    assert (await read_booking(harness, tour.tour_id)).slot_id == slot.id
    assert (await harness.send(tour, key)).duplicates == (key,)
    for other in (
        scheduled(await harness.lead()),
        scheduled(await harness.lead(), slot_id=slot.id),
    ):
        with pytest.raises(Refused) as caught:
            await harness.send(other)
        assert caught.value.code == "slot_full"
    await harness.send(TourCancelled(tour_id=tour.tour_id, lead_id=tour.lead_id))
    await harness.send(scheduled(await harness.lead(), slot_id=slot.id))
    await harness.world.project()
    assert await harness.world.count("tour_slots") == 1


async def test_a_slot_id_that_does_not_match_the_time_is_refused(
    harness: CommandHarness,
) -> None:
    with pytest.raises(Refused) as caught:
        await harness.send(scheduled(await harness.lead(), slot_id=uuid4()))
    assert caught.value.code == "disagreed"


async def test_a_producer_cannot_book_an_agent_twice(harness: CommandHarness) -> None:
    agent, first = uuid4(), await harness.lead()
    async with harness.world.pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO profiles (id, org_id) VALUES ($1, $2)", agent, harness.world.org_id
        )
    tour = scheduled(first, assigned_agent_id=agent)
    await harness.send(tour)
    with pytest.raises(Refused) as caught:
        await harness.send(scheduled(await harness.lead(), assigned_agent_id=agent))
    assert caught.value.code == "agent_busy"


async def read_times(harness: CommandHarness) -> dict[UUID, tuple[object, ...]]:
    async with harness.world.pool.acquire() as conn:
        rows = await conn.fetch("SELECT * FROM crm.tour_times")
    return {row["tour_id"]: (row["agent_id"], row["starts_at"], row["ends_at"]) for row in rows}


async def test_reserved_times_depend_only_on_the_log(harness: CommandHarness) -> None:
    """One append or several give the same rows."""
    world, agent = harness.world, uuid4()
    lead = await harness.lead()
    booked = scheduled(lead)
    ids = {"tour_id": booked.tour_id, "lead_id": lead}
    moved = TourRescheduled.model_validate(
        ids | WHEN.event_fields | {"revision": 2, "duration_minutes": 45}
    )
    assigned = TourAmended.model_validate(ids | {"assigned_agent_id": agent})
    noted = TourAmended.model_validate(ids | {"notes": "a dog"})
    await world.append(*(world.new(event) for event in (booked, moved, assigned, noted)))
    in_one_append = await read_times(harness)
    assert in_one_append[booked.tour_id][0] == agent
    async with world.pool.acquire() as conn:
        await conn.execute("DELETE FROM crm.tour_times")
        for event in (booked, moved, assigned, noted):
            await reserved_times.store_times(conn, [world.new(event)])
    assert await read_times(harness) == in_one_append
    await world.append(world.new(TourCancelled.model_validate(ids)))
    assert await read_times(harness) == {}
