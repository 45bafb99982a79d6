"""A log that is older than the rows of times gets them from the migration, as if kept all along."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
from alembic import command

from events.event import Event
from events.slots import SlotOpened
from events.tours import TourAmended, TourRescheduled
from services.deciders.local_time import When
from services.deciders.slot_times import slot_of
from services.runtime.migrations import alembic_config, migrate
from tests.services.application.test_command_handler import WHEN
from tests.tours import cancelled, scheduled
from tests.world import make_world

TIMES = ("crm.slot_times", "crm.tour_times")


async def test_the_times_of_an_older_log_are_those_kept_with_each_event(
    pool: asyncpg.Pool, database_url: str
) -> None:
    world = await make_world(pool)
    later = When(WHEN.tour_date, WHEN.tour_time, WHEN.time_zone, 0, 45)
    recorded_events: list[Event] = []
    for number in range(4):
        tour, lead = uuid4(), uuid4()
        who = {"tour_id": tour, "lead_id": lead}
        booked = scheduled(tour, lead).model_copy(update={"assigned_agent_id": uuid4()})
        recorded_events += [booked, TourAmended.model_validate(who | {"notes": "a dog"})]
        if number == 1:
            recorded_events.append(
                TourRescheduled.model_validate(who | later.said | {"revision": 2})
            )
        if number == 2:
            recorded_events.append(TourAmended.model_validate(who | {"assigned_agent_id": None}))
        if number == 3:
            recorded_events.append(cancelled(tour, lead))
    slot = slot_of(world.properties[0], WHEN)
    recorded_events += [SlotOpened.model_validate({**slot.said, "capacity": n}) for n in (1, 2)]
    for recorded in recorded_events:
        await world.append(world.new(recorded))
    before = await _rows(pool)
    assert [len(rows) for rows in before] == [1, 3]
    await asyncio.to_thread(command.downgrade, alembic_config(database_url), "0007")
    await asyncio.to_thread(migrate, database_url)
    assert await _rows(pool) == before


async def _rows(pool: asyncpg.Pool) -> list[list[Any]]:
    async with pool.acquire() as conn:
        return [
            [tuple(row) for row in await conn.fetch(f"SELECT * FROM {table} ORDER BY 1")]
            for table in TIMES
        ]
