"""Writes of the host's other code: events in its transaction, and never overwritten."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.conversations import ConversationChannel, ConversationStarted
from events.ids import message_event_id
from events.leads import LeadUpdated
from events.log import read
from events.record import Stream
from services.adoption.adopted_tables import find_left_out
from services.application.scope import Scope
from services.deciders.decider import Refused
from services.deciders.sessions import ReceiveMessage
from tests.commands import handle_command
from tests.conftest import until
from tests.host import adopt_all, assert_live_equals_rebuilt, install_core
from tests.services.adoption import rows
from tests.services.adoption.conftest import HostDatabase
from tests.world import CAUSE, VISITOR, World, read_parked_reasons


@pytest.mark.parametrize("is_protected", [True, False])
async def test_an_older_event_does_not_overwrite_a_later_write_of_the_host(
    adopted: HostDatabase, is_protected: bool
) -> None:
    """Project the first of two edits while the second has no position yet."""
    world = adopted.world
    lead = adopted.host.leads[0]
    if not is_protected:
        await adopted.conn.execute("ALTER TABLE leads DISABLE TRIGGER crm_keep_ahead")
    await adopted.conn.execute("UPDATE leads SET first_name = 'first' WHERE id = $1", lead)
    await world.number()
    engine = await world.engine()
    await engine.own(range(64))
    await adopted.conn.execute("UPDATE leads SET first_name = 'second' WHERE id = $1", lead)
    for shard, head in (await engine.find_gaps()).items():
        await engine.fill_gap(shard, head)
    await engine.flush()
    first_name = await adopted.conn.fetchval("SELECT first_name FROM leads WHERE id = $1", lead)
    assert first_name == ("second" if is_protected else "first")
    await world.project()
    assert (
        await adopted.conn.fetchval("SELECT first_name FROM leads WHERE id = $1", lead) == "second"
    )
    await assert_live_equals_rebuilt(adopted.pool)


async def test_an_older_event_does_not_overwrite_an_edit_that_has_a_position(
    adopted: HostDatabase,
) -> None:
    """Project the first of two edits while the second has a position but is not applied yet."""
    world = adopted.world
    lead = adopted.host.leads[0]
    read_name = f"SELECT first_name FROM leads WHERE id = '{lead}'"
    await adopted.conn.execute("UPDATE leads SET first_name = 'first' WHERE id = $1", lead)
    await world.number()
    engine = await world.engine()
    await engine.own(range(64))
    ((shard, head_of_first),) = (await engine.find_gaps()).items()
    await adopted.conn.execute("UPDATE leads SET first_name = 'second' WHERE id = $1", lead)
    await world.number()
    await engine.fill_gap(shard, head_of_first)
    await engine.flush()
    assert await adopted.conn.fetchval(read_name) == "second"
    assert list(await engine.find_gaps()) == [shard]
    await world.project()
    assert await adopted.conn.fetchval(read_name) == "second"
    await assert_live_equals_rebuilt(adopted.pool)


async def test_an_edit_becomes_events_of_the_changed_columns(adopted: HostDatabase) -> None:
    world = adopted.world
    lead = adopted.host.leads[0]
    await adopted.conn.execute(
        "UPDATE leads SET status = 'leased', email = ' ', notes = 'keys given', "
        "updated_at = '2026-01-01 00:00+00' WHERE id = $1",
        lead,
    )
    await adopted.conn.execute("UPDATE leads SET company = 'Acme' WHERE id = $1", lead)
    await world.append_staged()
    async with adopted.pool.acquire() as own:
        recorded_events = await read.streams(own, [Stream("lead", lead)])
    assert [recorded.event.name for recorded in recorded_events[1:]] == [
        "lead.status_changed",
        "lead.updated",
    ]
    updated = recorded_events[2].event
    assert isinstance(updated, LeadUpdated)
    assert updated.model_dump(mode="json", exclude_unset=True) == {
        "lead_id": str(lead), "email": " ", "notes": "keys given", "has_email": False,
        "email_key": None,
        "updated_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    await world.project()
    row = await adopted.conn.fetchrow("SELECT updated_at, company FROM leads WHERE id = $1", lead)
    assert row is not None
    assert tuple(row) == (datetime(2026, 1, 1, tzinfo=UTC), "Acme")
    await assert_live_equals_rebuilt(adopted.pool)


async def test_a_corrected_row_is_adopted(adopted: HostDatabase) -> None:
    world = adopted.world
    warnings: list[str] = []
    adopted.conn.add_log_listener(lambda _, message: warnings.append(str(message)))
    lead = uuid4()
    await adopted.conn.execute(
        "INSERT INTO leads (id, property_id, status) VALUES ($1, $2, 'prospect')",
        lead, world.properties[0],
    )  # fmt: skip
    await until(lambda: any("status is unknown: prospect" in warning for warning in warnings))
    await world.project()
    await assert_live_equals_rebuilt(adopted.pool)
    assert [row["id"] async for row in find_left_out(adopted.pool)] == [lead]
    await adopted.conn.execute("UPDATE leads SET status = 'new' WHERE id = $1", lead)
    await world.project()
    assert (
        await adopted.conn.fetchval("SELECT org_id FROM leads WHERE id = $1", lead) == world.org_id
    )
    await assert_live_equals_rebuilt(adopted.pool)


TALK = "SELECT id FROM conversations WHERE lead_id = $1"
REFUSED = [
    ("DELETE FROM leads WHERE id = $1", "not deleted"),
    ("UPDATE leads SET status = 'prospect' WHERE id = $1", "status is unknown"),
    ("UPDATE leads SET notes = repeat('x', 20001) WHERE id = $1", "20000 characters"),
    ("UPDATE leads SET org_id = NULL WHERE id = $1", "the core's column"),
    ("UPDATE leads SET created_at = now() WHERE id = $1", "stay as they are"),
    ("UPDATE leads SET property_id = NULL WHERE id = $1", "stay as they are"),
    ("DELETE FROM conversations WHERE lead_id = $1", "not deleted"),
    ("UPDATE conversations SET message_count = 9 WHERE lead_id = $1", "the core's column"),
    ("UPDATE conversations SET channel = 'x' WHERE lead_id = $1", "channel is unknown"),
    ("UPDATE conversations SET lead_id = id WHERE lead_id = $1", "its lead is not there"),
    (f"UPDATE messages SET author = 'bot' WHERE conversation_id = ({TALK})", "the core's column"),
    (f"DELETE FROM messages WHERE conversation_id = ({TALK})", "not deleted"),
]


async def test_a_write_that_no_event_can_describe_is_refused_with_a_reason(
    adopted: HostDatabase,
) -> None:
    for statement, why in REFUSED:
        with pytest.raises(asyncpg.RestrictViolationError, match=why):
            await adopted.conn.execute(statement, adopted.host.leads[3])
    with pytest.raises(asyncpg.RestrictViolationError, match="not deleted"):
        await adopted.conn.execute("TRUNCATE messages")
    for role in ("anon", "authenticated"):
        async with adopted.conn.transaction():
            await adopted.conn.execute(f"GRANT UPDATE ON leads TO {role}; SET LOCAL ROLE {role}")
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="derived from events"):
                async with adopted.conn.transaction():
                    await adopted.conn.execute("UPDATE leads SET notes = 'edited'")


@pytest.mark.parametrize("seed", range(2))
async def test_writes_of_the_host_during_adoption_are_not_lost(
    before: HostDatabase, seed: int
) -> None:
    await rows.write_during_adoption(before, seed, turns=200)


async def test_the_host_cannot_edit_messages_of_the_core(adopted: HostDatabase) -> None:
    lead, world = adopted.host.leads[0], adopted.world
    *_, message = world.chat(None)
    started = ConversationStarted(
        conversation_id=message.stream_id, lead_id=lead, channel=ConversationChannel.CHAT
    )
    message = message.model_copy(update={"session_id": None})
    await world.append(world.new(started), world.new(message))
    await world.project()
    edit = "UPDATE messages SET content = content || '!' WHERE conversation_id = $1"
    with pytest.raises(asyncpg.RestrictViolationError, match="said through the core"):
        await adopted.conn.execute(edit, message.stream_id)
    await adopted.conn.execute(edit, adopted.host.conversations[0])
    await world.project()
    edited = await adopted.conn.fetch(
        "SELECT content FROM messages WHERE conversation_id = $1", adopted.host.conversations[0]
    )
    assert {row["content"][-1] for row in edited} == {"!"}
    await assert_live_equals_rebuilt(adopted.pool)


async def test_a_message_id_is_unique_across_the_host_and_the_core(
    installed: HostDatabase,
) -> None:
    """Refuse the id of a row before adoption, after adoption, and of a message of the core."""
    world, host, conn = installed.world, installed.host, installed.conn
    first, second = await conn.fetch(
        "SELECT m.id FROM messages m JOIN conversations c ON c.id = m.conversation_id "
        "WHERE c.property_id = $1 ORDER BY m.id LIMIT 2",
        world.properties[0],
    )
    with pytest.raises(Refused, match="already in the log"):
        await _receive_message(world, first["id"])
    await adopt_all(host, installed.pool)
    with pytest.raises(Refused, match="already in the log"):
        await _receive_message(world, second["id"])
    message_id = uuid4()
    same = await conn.fetchval("SELECT crm.adopted_id('messages', $1)", message_id)
    assert same == message_event_id(message_id)
    await _receive_message(world, message_id)
    with pytest.raises(asyncpg.RestrictViolationError, match="said through the core"):
        await conn.execute(
            "INSERT INTO messages (id, conversation_id, role, content) VALUES ($1, $2, 'user', '')",
            message_id, host.conversations[0],
        )  # fmt: skip
    await world.project()
    assert await read_parked_reasons(installed.pool) == []
    await assert_live_equals_rebuilt(installed.pool)


async def _receive_message(world: World, message_id: UUID) -> None:
    command = ReceiveMessage(uuid4(), uuid4(), message_id, "hello", VISITOR)
    scope = Scope(world.org_id, world.properties[0], world.tick(), CAUSE)
    await handle_command(world.pool, scope, command)


async def test_an_agent_whom_the_host_assigns_is_an_event(adopted: HostDatabase) -> None:
    """The host updates an adopted row, and a row that the core could not adopt before."""
    first, second, late = uuid4(), uuid4(), uuid4()
    lead = adopted.host.leads[0]
    before = await adopted.conn.fetchval("SELECT updated_at FROM leads WHERE id = $1", lead)
    for agent in (first, second, second):
        await adopted.conn.execute(
            "UPDATE leads SET assigned_agent_id = $2 WHERE id = $1", lead, agent
        )
    await adopted.conn.execute(
        "INSERT INTO leads (id, property_id, status, assigned_agent_id) VALUES ($1, $2, 'new', $3)",
        late, adopted.host.properties[0], first,
    )  # fmt: skip
    await adopted.world.append_staged()
    assigned = await adopted.conn.fetch(
        "SELECT lead_id, (payload ->> 'assigned_agent_id')::uuid AS agent FROM crm_events "
        "WHERE event_type = 'lead.assigned' ORDER BY seq"
    )
    assert [tuple(row) for row in assigned] == [(lead, first), (lead, second), (late, first)]
    await adopted.world.project()
    rows = await adopted.conn.fetch(
        "SELECT assigned_agent_id, updated_at FROM leads WHERE id = ANY($1) ORDER BY id = $2",
        [lead, late], late,
    )  # fmt: skip
    assert [row["assigned_agent_id"] for row in rows] == [second, first]
    assert rows[0]["updated_at"] == before
    await assert_live_equals_rebuilt(adopted.pool)


async def test_agents_that_the_host_had_before_are_adopted(before: HostDatabase) -> None:
    agent = uuid4()
    await before.conn.execute("ALTER TABLE leads ADD COLUMN assigned_agent_id uuid")
    await before.conn.execute("UPDATE leads SET assigned_agent_id = $1", agent)
    await install_core(before.url)
    await adopt_all(before.host, before.pool)
    await before.world.project()
    agents = await before.conn.fetch("SELECT DISTINCT assigned_agent_id FROM leads")
    assert [row["assigned_agent_id"] for row in agents] == [agent]
    await assert_live_equals_rebuilt(before.pool)
