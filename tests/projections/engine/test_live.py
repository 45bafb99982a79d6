"""The live engine on a real database."""

from uuid import uuid4

import asyncpg

from tests.world import make_world, parked_reasons


async def test_a_chat_becomes_rows(pool: asyncpg.Pool) -> None:
    world = await make_world(pool)
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    for event in world.chat(lead, messages=3):
        await world.append(world.new(event))
    await world.append(world.new(world.engagement(lead)))
    await world.project()
    assert await parked_reasons(pool) == []
    assert await world.count("leads") == 1
    assert await world.count("messages") == 3
    assert await world.count("lead_engagement_events") == 1 + 1 + 3 + 1
    assert await world.count("lead_activities") == 1 + 1 + 3
    async with pool.acquire() as conn:
        newest = await conn.fetchrow(
            "SELECT * FROM lead_scores ORDER BY scored_at DESC, revision DESC LIMIT 1"
        )
    assert newest is not None
    assert newest["engagement_score"] == 10 + 5 + 9 + 8
    assert sum(int(f["impact"]) for f in newest["factors"]) == newest["total_score"]


async def test_a_lone_poison_event_is_parked_and_its_lead_with_it(pool: asyncpg.Pool) -> None:
    world = await make_world(pool)
    bad, other = uuid4(), uuid4()
    await world.append(world.new(world.captured(other, email="b@example.com")))
    await world.append(world.new(world.engagement(bad)))
    await world.append(world.new(world.engagement(other)))
    await world.append(world.new(world.captured(bad)))
    engine = await world.project()
    assert [reason for reason, _ in await parked_reasons(pool)] == ["lead_scores", "behind"]
    assert await world.count("leads") == 1
    assert await engine.behind() == {}
