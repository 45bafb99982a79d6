"""Statistics of a widget equal those that are computed from all rows in memory."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from alembic import command

from events import conversations as chats
from events.event import Event
from events.merges import LeadMerged
from events.operations import Retained, RetentionApplied
from events.sessions import SessionIdentified, SessionStarted
from events.widgets import CHAT_SOURCE, TOUR_SOURCE
from projections import widget_statistics
from services.api.reading import QueryRunner
from services.runtime.migrations import alembic_config, migrate
from tests.projections.engine.test_rebuild import rebuild_of
from tests.projections.statistics_rows import Rows, rounded
from tests.tours import tour_scheduled
from tests.world import START, VISITOR, World, make_world

EDGES = (None, *(START + timedelta(hours=hours) for hours in (-1, 2, 5, 6, 9, 30)))


@pytest.mark.parametrize("seed", range(4))
async def test_statistics_of_any_range_equal_those_of_all_rows(
    owner_pool: asyncpg.Pool, seed: int
) -> None:
    world = await make_world(owner_pool)
    await append_random_events(world, Random(seed))
    await world.project()
    marked = await world.count("crm_state.response_times WHERE NOT is_in_order")
    assert 0 < marked < await world.count("crm_state.response_times")
    rows = await Rows.read(owner_pool)
    async with owner_pool.acquire() as conn:
        for begin in EDGES:
            for end in EDGES:
                query = widget_statistics.of_property(world.properties[0], begin, end)
                [row] = await QueryRunner(conn).all(query)
                counted = {**row, "response_seconds": rounded(row.response_seconds)}
                assert counted == rows.count(begin, end), (begin, end)
    assert (await rebuild_of(owner_pool).verify()).equal


async def test_the_migration_fills_the_response_times_as_a_rebuild_does(
    owner_pool: asyncpg.Pool, database_url: str
) -> None:
    world = await make_world(owner_pool)
    await append_random_events(world, Random(4))
    await world.project()
    rows = await owner_pool.fetch("SELECT * FROM crm_state.response_times ORDER BY 1")
    assert len(rows) > 20
    await asyncio.to_thread(command.downgrade, alembic_config(database_url), "0061")
    await asyncio.to_thread(migrate, database_url)
    await owner_pool.expire_connections()
    assert await owner_pool.fetch("SELECT * FROM crm_state.response_times ORDER BY 1") == rows


async def append_random_events(world: World, rng: Random) -> None:
    """Append sessions, conversations out of order, tours and merges, and apply retention."""
    leads = [
        world.captured(email=f"{n}@example.com", source=rng.choice((CHAT_SOURCE, TOUR_SOURCE, "A")))
        for n in range(20)
    ]
    ids = [lead.lead_id for lead in leads]
    await append_at_random(world, rng, leads)
    for _ in range(25):
        session, conversation = uuid4(), uuid4()
        lead_id = rng.choice([None, *ids])
        known: dict[str, Any] = {
            "session_id": session,
            "lead_id": lead_id,
            "conversation_id": conversation,
        }
        channel = rng.choice([*chats.ConversationChannel])
        await append_at_random(world, rng, [
            SessionStarted(session_id=session, visitor_hash=VISITOR, lead_id=lead_id),
            chats.ConversationStarted(**known, channel=channel),
        ])  # fmt: skip
        messages = [make_message(rng, known) for _ in range(rng.randrange(9))]
        if rng.random() < 0.3:  # these are in the order of time
            messages = [message for message in messages if not getattr(message, "edited", False)]
            await world.append(*map(world.new, messages))
        else:
            await append_at_random(world, rng, messages)
        if lead_id is None and rng.random() < 0.4:
            identified = SessionIdentified(
                session_id=session, lead_id=rng.choice(ids), conversation_ids=(conversation,)
            )
            await append_at_random(world, rng, [identified])
        elif lead_id is None and rng.random() < 0.5:
            expired = RetentionApplied(
                property_id=world.properties[0], kind=Retained.SESSIONS, cutoff=START,
                session_ids=(session,), conversation_ids=(conversation,),
                message_ids=tuple({message.message_id for message in messages}),
            )  # fmt: skip
            again = [make_message(rng, known) for _ in range(rng.randrange(3))]
            await append_at_random(world, rng, [expired, *again])
    agent = uuid4()
    await world.pool.execute(
        "INSERT INTO profiles (id, org_id) VALUES ($1, $2)", agent, world.org_id
    )
    await world.append_staged()
    booked = [tour_scheduled(uuid4(), rng.choice(ids)) for _ in range(12)]
    await append_at_random(
        world, rng, [tour.model_copy(update={"created_by": rng.choice((None, agent))})
                     for tour in booked]
    )  # fmt: skip
    losers = rng.sample(ids, 12)
    winners = [rng.choice([lead_id for lead_id in ids if lead_id not in losers[: n + 1]])
               for n in range(12)]  # fmt: skip
    await append_at_random(world, rng, [
        LeadMerged(loser_id=loser, winner_id=winner)
        for loser, winner in zip(losers, winners, strict=True)
    ])  # fmt: skip


def make_message(rng: Random, ids: dict[str, Any]) -> Any:
    fields = {**ids, "message_id": uuid4(), "content": "hello"}
    match rng.randrange(8):
        case 0:
            return chats.ConversationAnswered(**fields, agent_id=uuid4())
        case 1 | 2:
            return chats.ConversationReplied(**fields, epoch=0)
        case 3:
            return chats.ConversationWaiting(**fields, reason="bot_failed")
        case 4:
            role = rng.choice([*chats.MessageRole])
            edited = rng.random() < 0.2
            return chats.ConversationMessageAdopted(**fields, role=role, edited=edited)
        case _:
            return chats.ConversationMessageReceived(**fields)


async def append_at_random(world: World, rng: Random, events: Sequence[Event]) -> None:
    """Append events, each at a random full or half hour."""
    await world.append(
        *(world.new(event, at=START + timedelta(hours=rng.randrange(24) / 2)) for event in events)
    )
