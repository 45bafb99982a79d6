"""Log → relay → bus → projector → tables, with real servers."""

from uuid import uuid4

import asyncpg

from services.runtime.settings import Settings
from tests.conftest import until
from tests.process import running
from tests.world import make_world


async def test_what_is_appended_becomes_rows(kafka_settings: Settings, pool: asyncpg.Pool) -> None:
    world = await make_world(pool, properties=5)
    async with running(kafka_settings, "relay", "projector"):
        for property_id in world.properties:
            lead = uuid4()
            await world.append(world.new(world.captured(lead), property_id=property_id))
            for event in world.chat(lead, messages=3):
                await world.append(world.new(event, property_id=property_id))

        async def all_there() -> bool:
            return await world.count("messages") == 15

        await until(all_there)
    assert await world.count("leads") == 5
    assert await world.count("crm.parked") == 0
