"""`crm replay` and `crm parked` on real servers."""

from uuid import uuid4

import asyncpg

from services import replay
from services.runtime.settings import Settings
from tests.conftest import until
from tests.running import running
from tests.world import make_world


def silent(_stage: str, _done: int, _whole: int) -> None: ...


async def test_the_bus_gives_the_same_rows_as_the_log(
    kafka_settings: Settings, pool: asyncpg.Pool
) -> None:
    world = await make_world(pool, properties=3)
    for property_id in world.properties:
        lead = uuid4()
        for event in (world.captured(lead), *world.chat(lead, 3), world.engagement(lead)):
            await world.append(world.new(event, property_id=property_id))

    async def published() -> bool:
        found = await replay.status(pool)
        return bool(found["position"]) and found["published"] == found["position"]

    async with running(kafka_settings, "relay"):
        await until(published, 20)
    await world.project()
    async with replay.rebuilding(pool, [], silent, bus=kafka_settings) as work:
        outcome = await work.verify()
    assert outcome.equal
    assert outcome.events == 3 * 7 + 4
    assert (await replay.status(pool))["lag_events"] == 0
