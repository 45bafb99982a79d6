"""Previews of redrives read exactly their own events, and say what they did not try."""

from uuid import uuid4

import pytest

from events.log.append import append
from projections.engine.retry_preview import rolled_back
from services.application.dead_letters import DeadLetterFilter
from services.intake import redrive_preview
from services.intake.redrive_preview import preview_redrive, read_own_events
from services.intake.settings import IntakeSettings
from tests.services.api.console.refused_events import make_dead_letter
from tests.world import World


async def test_a_preview_finds_its_own_events_beside_commits_of_others(world: World) -> None:
    await world.append(world.new(world.captured(uuid4(), email=None)))
    own = [world.new(world.captured(uuid4(), email=None)) for _ in range(3)]
    async with rolled_back(world.pool) as conn:
        for new in own:
            async with conn.transaction():
                await append(conn, [new], expected={})
            # A transaction that begins later and ends first moves the snapshot beyond this one.
            await world.pool.execute("SELECT pg_current_xact_id()")
        found = await read_own_events(conn)
    assert [event.id for event in found] == [new.id for new in own]


async def test_a_preview_that_finds_a_lock_taken_says_that_it_is_partial(world: World) -> None:
    await make_dead_letter(world)
    chosen = DeadLetterFilter(property_id=world.properties[0])
    async with world.pool.acquire() as conn, conn.transaction():
        await conn.execute("LOCK TABLE crm.dead_letters IN EXCLUSIVE MODE")
        shown = await preview_redrive(world.pool, IntakeSettings(), chosen)
    assert (shown["records"], shown["tried"]) == (1, 0)
    assert shown["preview"]["is_partial"]


async def test_a_preview_tries_a_limited_number_of_records(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redrive_preview, "MAX_RECORDS", 1)
    for _ in range(2):
        await make_dead_letter(world)
    shown = await preview_redrive(world.pool, IntakeSettings(), DeadLetterFilter())
    assert (shown["records"], shown["tried"], shown["dead"]) == (2, 1, 1)
    assert shown["preview"]["is_partial"]
