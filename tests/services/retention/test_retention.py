"""Retention: what is past its time goes, by a fact, and nothing else does."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.chat import ConversationMessageReceived, SessionIdentified
from events.consents import ConsentChannel, ConsentGiven, ConsentWithdrawn, consent_id
from events.event import Event
from projections.catalog import LIVE
from projections.engine.rebuild import Rebuild
from projections.engine.refold import folding_log
from services.retention import naming, retention
from tests.world import World, make_world, parked_reasons

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool, properties=2)


async def level(world: World) -> None:
    """The tables are level with the log, and the same when folded again."""
    await world.project()
    assert await parked_reasons(world.pool) == []
    work = Rebuild(world.pool, LIVE, LIVE, folding_log(world.pool), lambda *_: None)
    outcome = await work.verify()
    assert outcome.equal, [str(d) for c in outcome.comparisons for d in c.differences]


async def ids(world: World, table: str) -> set[UUID]:
    rows = await world.pool.fetch(f"SELECT id FROM {table}")
    return {row["id"] for row in rows}


async def told(world: World, at: datetime, *events: Event) -> list[UUID]:
    """Events that happened then; their ids."""
    new = [world.new(event, at=at) for event in events]
    await world.append(*new)
    return [event.id for event in new]


async def test_engagement_goes_after_two_years_and_the_score_stays(world: World) -> None:
    lead = uuid4()
    await told(world, NOW - timedelta(days=900), world.captured(lead))
    old = await told(world, NOW - timedelta(days=732), *[world.engagement(lead) for _ in range(9)])
    (young,) = await told(world, NOW - timedelta(days=729), world.engagement(lead))
    await world.project()
    scores = await world.pool.fetch("SELECT * FROM lead_scores ORDER BY id")
    assert (await retention.run(world.pool, NOW, dry_run=True))[
        "engagement"
    ] == 10  # and the lead's own
    assert await world.count("crm_events WHERE event_type = 'retention.applied'") == 0
    done = await retention.run(world.pool, NOW)
    assert done["engagement"] == 10
    await level(world)
    left = await ids(world, "lead_engagement_events")
    assert (left, left & set(old)) == ({young}, set())
    assert await world.pool.fetch("SELECT * FROM lead_scores ORDER BY id") == scores
    assert (await retention.run(world.pool, NOW))["engagement"] == 0


async def test_evidence_goes_four_years_after_something_else_was_said(world: World) -> None:
    lead, years = uuid4(), 1_461

    def said(kind: type[ConsentGiven | ConsentWithdrawn], channel: str) -> Event:
        own = consent_id(lead, ConsentChannel(channel))
        return kind.model_validate({"consent_id": own, "lead_id": lead, "channel": channel,
                                    "text": "yes", "place": "widget", "at": NOW})  # fmt: skip

    await told(world, NOW - timedelta(days=years + 90), world.captured(lead))
    long_ago = NOW - timedelta(days=years + 60)
    gone = await told(world, long_ago, said(ConsentGiven, "sms"))
    await told(world, long_ago, said(ConsentGiven, "email"), said(ConsentGiven, "call"))
    await told(world, NOW - timedelta(days=years + 1), said(ConsentWithdrawn, "sms"))
    await told(world, NOW - timedelta(days=years - 1), said(ConsentWithdrawn, "email"))
    await world.project()
    assert (await retention.run(world.pool, NOW, dry_run=True))["consents"] == 1
    before = await ids(world, "lead_consents")
    assert (await retention.run(world.pool, NOW))["consents"] == 1
    await level(world)
    assert before - await ids(world, "lead_consents") == set(gone)
    rows = await world.pool.fetch(
        "SELECT channel, status, version FROM lead_consents ORDER BY channel, version"
    )
    assert [tuple(row) for row in rows] == [
        ("call", "given", 1), ("email", "given", 1), ("email", "withdrawn", 2),
        ("sms", "withdrawn", 2),
    ]  # fmt: skip
    assert (await retention.run(world.pool, NOW))["consents"] == 0


async def test_a_session_without_a_lead_goes_with_all_that_was_said(world: World) -> None:
    lead = uuid4()
    await told(world, NOW - timedelta(days=200), world.captured(lead))
    stranger, known = world.chat(None, messages=3), world.chat(lead, messages=2)
    recent = world.chat(None)
    await told(world, NOW - timedelta(days=91), *stranger, *known)
    await told(world, NOW - timedelta(days=89), *recent)
    await world.project()
    assert (await retention.run(world.pool, NOW))["sessions"] == 1
    await level(world)
    assert await ids(world, "widget_sessions") == {known[0].stream_id, recent[0].stream_id}
    assert await ids(world, "conversations") == {known[1].stream_id, recent[1].stream_id}
    assert await world.count("messages") == 3


async def test_a_visitor_who_comes_back_begins_anew(world: World) -> None:
    started, talk, said = world.chat(None)
    assert isinstance(said, ConversationMessageReceived)
    await told(world, NOW - timedelta(days=91), started, talk, said)
    await world.project()
    await retention.run(world.pool, NOW)
    again = said.model_copy(update={"message_id": uuid4(), "content": "still there?"})
    await told(world, NOW + timedelta(hours=1), again)
    await level(world)
    rows = await world.pool.fetch(
        "SELECT c.id, c.widget_session_id, s.message_count FROM conversations c "
        "JOIN widget_sessions s ON s.id = c.widget_session_id"
    )
    assert [tuple(row) for row in rows] == [(talk.stream_id, started.stream_id, 1)]


async def test_another_conversation_begins_in_a_session_that_is_gone(world: World) -> None:
    started, talk, said = world.chat(None)
    await told(world, NOW - timedelta(days=91), started, talk, said)
    await world.project()
    await retention.run(world.pool, NOW)
    new = talk.model_copy(update={"conversation_id": uuid4()})
    await told(world, NOW + timedelta(hours=1), new)
    await level(world)
    assert await ids(world, "widget_sessions") == {started.stream_id}
    assert await ids(world, "conversations") == {new.stream_id}


async def test_what_the_log_knows_and_the_tables_do_not_yet_is_kept(world: World) -> None:
    """The visitor has become a lead, and no table shows it."""
    lead = uuid4()
    started, talk, said = world.chat(None)
    await told(world, NOW - timedelta(days=91), world.captured(lead), started, talk, said)
    await world.project()
    identified = SessionIdentified(
        session_id=started.stream_id, lead_id=lead, conversation_ids=(talk.stream_id,)
    )
    await told(world, NOW, identified)
    assert (await retention.run(world.pool, NOW))["sessions"] == 0
    await level(world)
    assert await ids(world, "widget_sessions") == {started.stream_id}


async def test_more_than_one_fact_may_name_goes_in_several(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(naming, "ROWS_AT_A_TIME", 4)
    lead = uuid4()
    said = [*(world.engagement(lead) for _ in range(10)), *world.chat(None, messages=10)]
    await told(world, NOW - timedelta(days=900), world.captured(lead), *said)
    await world.project()
    done = await retention.run(world.pool, NOW)
    assert (done["engagement"], done["sessions"]) == (11, 1)
    await level(world)
    for table in ("lead_engagement_events", "widget_sessions", "conversations", "messages"):
        assert await world.count(table) == 0
    assert await world.count("crm_events WHERE event_type = 'retention.applied'") == 6


@pytest.mark.parametrize(
    ("said", "kept"), [(7, 0), (1_000, 1), ("7", 1), (0, 1), (True, 1), (None, 1), (10**9, 1)]
)
async def test_an_organisation_may_keep_things_longer_or_shorter(
    world: World, said: Any, kept: int
) -> None:
    """What is no number of days is as if nothing were said."""
    await world.pool.execute(
        "UPDATE organizations SET settings = $1", {"retention": {"sessions_days": said}}
    )
    await told(world, NOW - timedelta(days=30), *world.chat(None))
    await world.project()
    await retention.run(world.pool, NOW)
    await world.project()
    assert await world.count("widget_sessions") == kept


@pytest.mark.parametrize(("said", "kept"), [(31, 0), (30, 1), (1, 1)])
async def test_engagement_is_kept_while_a_score_counts_it(
    world: World, said: int, kept: int
) -> None:
    await world.pool.execute(
        "UPDATE organizations SET settings = $1", {"retention": {"engagement_days": said}}
    )
    lead = uuid4()
    await told(world, NOW - timedelta(days=40), world.captured(lead))
    await told(world, NOW - timedelta(days=33), world.engagement(lead))
    await world.project()
    await retention.run(world.pool, NOW)
    await level(world)
    opened = "lead_engagement_events WHERE event_type = 'email_opened'"
    assert await world.count(opened) == kept


async def test_old_dead_letters_are_deleted_and_counted(world: World) -> None:
    insert = (
        "INSERT INTO crm.dead_letters (id, topic, partition, kafka_offset, kafka_timestamp, "
        "headers, org_id, reason, detail, status, last_at) "
        "VALUES ($1, 't', 0, 0, 0, '[]', $2, 'malformed', '', $3, $4)"
    )
    for org in (world.org_id, None):
        for status in ("open", "dropped"):
            for days in (29, 31):
                at = NOW - timedelta(days=days)
                await world.pool.execute(insert, uuid4(), org, status, at)
    assert (await retention.run(world.pool, NOW))["dead_letters"] == 4
    assert await world.count("crm.dead_letters") == 4
    assert (await retention.run(world.pool, NOW, org_id=world.org_id))["dead_letters"] == 0


@pytest.mark.parametrize("protected", [True, False])
async def test_two_runs_at_once_do_nothing_twice(
    world: World, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    """The lock keeps them apart; the same rows named twice are one fact in any case."""
    if not protected:

        async def nobody_else(_conn: object) -> bool:
            return True

        monkeypatch.setattr(naming, "alone", nobody_else)
    await told(world, NOW - timedelta(days=91), *world.chat(None, messages=3))
    await world.project()
    assert (await retention.run(world.pool, NOW))["sessions"] == 1
    async with world.pool.acquire() as conn, conn.transaction():
        assert await naming.alone(conn)
        again = await retention.run(world.pool, NOW)
    assert again["sessions"] == (0 if protected else 1)
    assert await world.count("crm_events WHERE event_type = 'retention.applied'") == 1
    await level(world)
