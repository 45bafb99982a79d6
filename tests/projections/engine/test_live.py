"""The live engine writes rows to a real database and parks poison events."""

from uuid import uuid4

import asyncpg

from tests.world import make_world, read_parked_reasons


async def test_the_events_of_a_chat_become_rows(pool: asyncpg.Pool) -> None:
    world = await make_world(pool)
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    for event in world.chat(lead, messages=3):
        await world.append(world.new(event))
    await world.append(world.new(world.engagement(lead)))
    await world.project()
    assert await read_parked_reasons(pool) == []
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
    assert sum(int(factor["impact"]) for factor in newest["factors"]) == newest["total_score"]


async def test_a_poison_event_is_parked_with_the_later_events_of_its_lead(
    pool: asyncpg.Pool,
) -> None:
    world = await make_world(pool)
    missing_lead, other = uuid4(), uuid4()
    await world.append(world.new(world.captured(other, email="b@example.com")))
    await world.append(world.new(world.engagement(missing_lead)))
    await world.append(world.new(world.engagement(other)))
    await world.append(world.new(world.captured(missing_lead)))
    engine = await world.project()
    assert [reason for reason, _ in await read_parked_reasons(pool)] == ["lead_scores", "behind"]
    assert await world.count("leads") == 1
    assert await engine.find_gaps() == {}
