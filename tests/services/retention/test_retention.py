"""Retention: expired rows are removed by an event, and no other row is."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.consents import ConsentChannel, ConsentGiven, ConsentWithdrawn, consent_id
from events.conversations import ConversationMessageReceived
from events.event import Event
from events.sessions import SessionIdentified
from projections.catalog import LIVE
from projections.engine.rebuild import Rebuild
from projections.engine.shadow_fold import make_log_fold
from services.retention import retention, retention_events
from tests.world import World, make_world, read_parked_reasons

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool, properties=2)


async def expect_replay_determinism(world: World, owner_pool: asyncpg.Pool) -> None:
    """Project the whole log and compare the live tables with freshly built ones."""
    await world.project()
    assert await read_parked_reasons(world.pool) == []
    work = Rebuild(owner_pool, LIVE, LIVE, make_log_fold(owner_pool), lambda *_: None)
    outcome = await work.verify()
    assert outcome.equal, [str(d) for c in outcome.comparisons for d in c.differences]


async def read_ids(world: World, table: str) -> set[UUID]:
    rows = await world.pool.fetch(f"SELECT id FROM {table}")
    return {row["id"] for row in rows}


async def append_at(world: World, at: datetime, *events: Event) -> list[UUID]:
    """Append events that occurred at that instant; return their ids."""
    new = [world.new(event, at=at) for event in events]
    await world.append(*new)
    return [event.id for event in new]


async def test_engagement_expires_after_two_years_and_the_score_stays(
    world: World, owner_pool: asyncpg.Pool
) -> None:
    lead = uuid4()
    await append_at(world, NOW - timedelta(days=900), world.captured(lead))
    old = await append_at(
        world, NOW - timedelta(days=732), *[world.engagement(lead) for _ in range(9)]
    )
    (young,) = await append_at(world, NOW - timedelta(days=729), world.engagement(lead))
    await world.project()
    scores = await world.pool.fetch("SELECT * FROM lead_scores ORDER BY id")
    assert (await retention.apply_rules(world.pool, NOW, dry_run=True))[
        "engagement"
    ] == 10  # and the lead's own
    assert await world.count("crm_events WHERE event_type = 'retention.applied'") == 0
    done = await retention.apply_rules(world.pool, NOW)
    assert done["engagement"] == 10
    await expect_replay_determinism(world, owner_pool)
    left = await read_ids(world, "lead_engagement_events")
    assert (left, left & set(old)) == ({young}, set())
    assert await world.pool.fetch("SELECT * FROM lead_scores ORDER BY id") == scores
    assert (await retention.apply_rules(world.pool, NOW))["engagement"] == 0


async def test_consent_evidence_expires_four_years_after_a_later_consent(
    world: World, owner_pool: asyncpg.Pool
) -> None:
    lead, years = uuid4(), 1_461

    def consent(kind: type[ConsentGiven | ConsentWithdrawn], channel: str) -> Event:
        own = consent_id(lead, ConsentChannel(channel))
        return kind.model_validate({"consent_id": own, "lead_id": lead, "channel": channel,
                                    "text": "yes", "place": "widget", "at": NOW})  # fmt: skip

    await append_at(world, NOW - timedelta(days=years + 90), world.captured(lead))
    long_ago = NOW - timedelta(days=years + 60)
    gone = await append_at(world, long_ago, consent(ConsentGiven, "sms"))
    await append_at(world, long_ago, consent(ConsentGiven, "email"), consent(ConsentGiven, "call"))
    await append_at(world, NOW - timedelta(days=years + 1), consent(ConsentWithdrawn, "sms"))
    await append_at(world, NOW - timedelta(days=years - 1), consent(ConsentWithdrawn, "email"))
    await world.project()
    assert (await retention.apply_rules(world.pool, NOW, dry_run=True))["consents"] == 1
    before = await read_ids(world, "lead_consents")
    assert (await retention.apply_rules(world.pool, NOW))["consents"] == 1
    await expect_replay_determinism(world, owner_pool)
    assert before - await read_ids(world, "lead_consents") == set(gone)
    rows = await world.pool.fetch(
        "SELECT channel, status, version FROM lead_consents ORDER BY channel, version"
    )
    assert [tuple(row) for row in rows] == [
        ("call", "given", 1), ("email", "given", 1), ("email", "withdrawn", 2),
        ("sms", "withdrawn", 2),
    ]  # fmt: skip
    assert (await retention.apply_rules(world.pool, NOW))["consents"] == 0


async def test_a_session_without_a_lead_expires_with_its_messages(
    world: World, owner_pool: asyncpg.Pool
) -> None:
    lead = uuid4()
    await append_at(world, NOW - timedelta(days=200), world.captured(lead))
    anonymous, identified = world.chat(None, messages=3), world.chat(lead, messages=2)
    recent = world.chat(None)
    await append_at(world, NOW - timedelta(days=91), *anonymous, *identified)
    await append_at(world, NOW - timedelta(days=89), *recent)
    await world.project()
    assert (await retention.apply_rules(world.pool, NOW))["sessions"] == 1
    await expect_replay_determinism(world, owner_pool)
    assert await read_ids(world, "widget_sessions") == {
        identified[0].stream_id,
        recent[0].stream_id,
    }
    assert await read_ids(world, "conversations") == {identified[1].stream_id, recent[1].stream_id}
    assert await world.count("messages") == 3


async def test_a_visitor_who_returns_after_expiry_gets_new_rows(
    world: World, owner_pool: asyncpg.Pool
) -> None:
    started, conversation, message = world.chat(None)
    assert isinstance(message, ConversationMessageReceived)
    await append_at(world, NOW - timedelta(days=91), started, conversation, message)
    await world.project()
    await retention.apply_rules(world.pool, NOW)
    later = message.model_copy(update={"message_id": uuid4(), "content": "still there?"})
    await append_at(world, NOW + timedelta(hours=1), later)
    await expect_replay_determinism(world, owner_pool)
    rows = await world.pool.fetch(
        "SELECT c.id, c.widget_session_id, s.message_count FROM conversations c "
        "JOIN widget_sessions s ON s.id = c.widget_session_id"
    )
    assert [tuple(row) for row in rows] == [(conversation.stream_id, started.stream_id, 1)]


async def test_a_new_conversation_recreates_an_expired_session(
    world: World, owner_pool: asyncpg.Pool
) -> None:
    started, conversation, message = world.chat(None)
    await append_at(world, NOW - timedelta(days=91), started, conversation, message)
    await world.project()
    await retention.apply_rules(world.pool, NOW)
    new = conversation.model_copy(update={"conversation_id": uuid4()})
    await append_at(world, NOW + timedelta(hours=1), new)
    await expect_replay_determinism(world, owner_pool)
    assert await read_ids(world, "widget_sessions") == {started.stream_id}
    assert await read_ids(world, "conversations") == {new.stream_id}


async def test_a_session_with_newer_events_in_the_log_is_kept(
    world: World, owner_pool: asyncpg.Pool
) -> None:
    """The visitor has become a lead; the tables do not show it yet."""
    lead = uuid4()
    started, conversation, message = world.chat(None)
    await append_at(
        world, NOW - timedelta(days=91), world.captured(lead), started, conversation, message
    )
    await world.project()
    identified = SessionIdentified(
        session_id=started.stream_id, lead_id=lead, conversation_ids=(conversation.stream_id,)
    )
    await append_at(world, NOW, identified)
    assert (await retention.apply_rules(world.pool, NOW))["sessions"] == 0
    await expect_replay_determinism(world, owner_pool)
    assert await read_ids(world, "widget_sessions") == {started.stream_id}


async def test_rows_beyond_the_limit_of_an_event_go_into_several_events(
    world: World, owner_pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_events, "ROWS_PER_EVENT", 4)
    lead = uuid4()
    events = [*(world.engagement(lead) for _ in range(10)), *world.chat(None, messages=10)]
    await append_at(world, NOW - timedelta(days=900), world.captured(lead), *events)
    await world.project()
    done = await retention.apply_rules(world.pool, NOW)
    assert (done["engagement"], done["sessions"]) == (11, 1)
    await expect_replay_determinism(world, owner_pool)
    for table in ("lead_engagement_events", "widget_sessions", "conversations", "messages"):
        assert await world.count(table) == 0
    assert await world.count("crm_events WHERE event_type = 'retention.applied'") == 6


@pytest.mark.parametrize(
    ("days", "remaining"), [(7, 0), (1_000, 1), ("7", 1), (0, 1), (True, 1), (None, 1), (10**9, 1)]
)
async def test_an_organisation_sets_its_own_number_of_days(
    world: World, days: Any, remaining: int
) -> None:
    """A value that is no valid number of days becomes the default."""
    await world.pool.execute(
        "UPDATE organizations SET settings = $1", {"retention": {"sessions_days": days}}
    )
    await append_at(world, NOW - timedelta(days=30), *world.chat(None))
    await world.project()
    await retention.apply_rules(world.pool, NOW)
    await world.project()
    assert await world.count("widget_sessions") == remaining


@pytest.mark.parametrize(("days", "remaining"), [(31, 0), (30, 1), (1, 1)])
async def test_engagement_is_kept_while_a_score_counts_it(
    world: World, owner_pool: asyncpg.Pool, days: int, remaining: int
) -> None:
    await world.pool.execute(
        "UPDATE organizations SET settings = $1", {"retention": {"engagement_days": days}}
    )
    lead = uuid4()
    await append_at(world, NOW - timedelta(days=40), world.captured(lead))
    await append_at(world, NOW - timedelta(days=33), world.engagement(lead))
    await world.project()
    await retention.apply_rules(world.pool, NOW)
    await expect_replay_determinism(world, owner_pool)
    opened = "lead_engagement_events WHERE event_type = 'email_opened'"
    assert await world.count(opened) == remaining


async def test_old_dead_letters_are_deleted_and_counted(world: World) -> None:
    insert = (
        "INSERT INTO crm.dead_letters (id, topic, partition, kafka_offset, kafka_timestamp, "
        "content, org_id, reason, status, last_at) "
        "VALUES ($1, 't', 0, 0, 0, '\\x02', $2, 'malformed', $3, $4)"
    )
    for org in (world.org_id, None):
        for status in ("open", "dropped"):
            for days in (29, 31):
                at = NOW - timedelta(days=days)
                await world.pool.execute(insert, uuid4(), org, status, at)
    assert (await retention.apply_rules(world.pool, NOW))["dead_letters"] == 4
    assert await world.count("crm.dead_letters") == 4
    assert (await retention.apply_rules(world.pool, NOW, org_id=world.org_id))["dead_letters"] == 0


async def test_old_outcomes_are_deleted_with_the_dead_letters(world: World) -> None:
    insert = (
        "INSERT INTO crm.intake_outcomes (id, topic, partition, kafka_offset, org_id, status, "
        "decided_at) VALUES ($1, 't', 0, 0, $2, 'accepted', $3)"
    )
    for org in (world.org_id, None):
        for days in (29, 31):
            await world.pool.execute(insert, uuid4(), org, NOW - timedelta(days=days))
    counted = await retention.apply_rules(world.pool, NOW, dry_run=True)
    assert counted["intake_outcomes"] == 2
    assert (await retention.apply_rules(world.pool, NOW))["intake_outcomes"] == 2
    assert await world.count("crm.intake_outcomes") == 2


@pytest.mark.parametrize("is_locked", [True, False])
async def test_two_runs_at_the_same_time_append_each_event_once(
    world: World, owner_pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, is_locked: bool
) -> None:
    """The lock separates the runs; without it the derived event id still prevents a duplicate."""
    if not is_locked:

        async def lock_nothing(_conn: object) -> bool:
            return True

        monkeypatch.setattr(retention_events, "lock_run", lock_nothing)
    await append_at(world, NOW - timedelta(days=91), *world.chat(None, messages=3))
    await world.project()
    assert (await retention.apply_rules(world.pool, NOW))["sessions"] == 1
    async with world.pool.acquire() as conn, conn.transaction():
        assert await retention_events.lock_run(conn)
        again = await retention.apply_rules(world.pool, NOW)
    assert again["sessions"] == (0 if is_locked else 1)
    assert await world.count("crm_events WHERE event_type = 'retention.applied'") == 1
    await expect_replay_determinism(world, owner_pool)
