"""The migration of reserved times: it derives the rows from the events of an older log."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
from alembic import command

from events.event import Event
from events.slots import SlotOpened
from events.tours import TourAmended, TourRescheduled
from services.deciders.local_time import When
from services.deciders.slot_times import make_slot_time
from services.runtime.migrations import alembic_config, migrate
from tests.services.application.test_command_handler import WHEN
from tests.tours import tour_cancelled, tour_scheduled
from tests.world import make_world

TABLES = ("crm.slot_times", "crm.tour_times")


async def test_migrated_times_equal_those_written_with_each_event(
    pool: asyncpg.Pool, database_url: str
) -> None:
    world = await make_world(pool)
    later = When(WHEN.tour_date, WHEN.tour_time, WHEN.time_zone, 0, 45)
    events: list[Event] = []
    for number in range(4):
        tour, lead = uuid4(), uuid4()
        ids = {"tour_id": tour, "lead_id": lead}
        booked = tour_scheduled(tour, lead).model_copy(update={"assigned_agent_id": uuid4()})
        events += [booked, TourAmended.model_validate(ids | {"notes": "a dog"})]
        if number == 1:
            events.append(
                TourRescheduled.model_validate(ids | later.event_fields | {"revision": 2})
            )
        if number == 2:
            events.append(TourAmended.model_validate(ids | {"assigned_agent_id": None}))
        if number == 3:
            events.append(tour_cancelled(tour, lead))
    slot = make_slot_time(world.properties[0], WHEN)
    events += [SlotOpened.model_validate({**slot.event_fields, "capacity": n}) for n in (1, 2)]
    for event in events:
        await world.append(world.new(event))
    before = await _rows(pool)
    assert [len(rows) for rows in before] == [1, 3]
    await asyncio.to_thread(command.downgrade, alembic_config(database_url), "0007")
    await asyncio.to_thread(migrate, database_url)
    assert await _rows(pool) == before


async def _rows(pool: asyncpg.Pool) -> list[list[Any]]:
    async with pool.acquire() as conn:
        return [
            [tuple(row) for row in await conn.fetch(f"SELECT * FROM {table} ORDER BY 1")]
            for table in TABLES
        ]
