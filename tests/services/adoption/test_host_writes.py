"""What the host's other code writes: facts in its own transaction, and never put back."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.chat import ConversationChannel, ConversationStarted
from events.ids import message_event_id
from events.leads import LeadUpdated
from events.log import read
from events.record import Stream
from services.adoption import tables
from services.application.command_handler import handle
from services.application.unit_of_work import Scope
from services.deciders.decider import Refused
from services.deciders.messages import ReceiveMessage
from tests.conftest import until
from tests.host import adopt_all, live_is_rebuilt
from tests.services.adoption import rows
from tests.services.adoption.conftest import Hosted
from tests.world import CAUSE, World, parked_reasons


@pytest.mark.parametrize("protected", [True, False])
async def test_no_older_fact_puts_back_what_the_host_wrote(
    adopted: Hosted, protected: bool
) -> None:
    """Two edits; the tables come to the first of them while the second is not numbered yet."""
    world = adopted.world
    lead = adopted.host.leads[0]
    if not protected:
        await adopted.conn.execute("ALTER TABLE leads DISABLE TRIGGER crm_keep_ahead")
    await adopted.conn.execute("UPDATE leads SET first_name = 'first' WHERE id = $1", lead)
    await world.number()
    engine = await world.engine()
    await engine.claim(range(64))
    await adopted.conn.execute("UPDATE leads SET first_name = 'second' WHERE id = $1", lead)
    for shard, head in (await engine.behind()).items():
        await engine.fill_gap(shard, head)
    await engine.settle()
    held = await adopted.conn.fetchval("SELECT first_name FROM leads WHERE id = $1", lead)
    assert held == ("second" if protected else "first")
    await world.project()
    assert (
        await adopted.conn.fetchval("SELECT first_name FROM leads WHERE id = $1", lead) == "second"
    )
    await live_is_rebuilt(adopted.pool)


async def test_an_edit_is_the_facts_of_what_changed(adopted: Hosted) -> None:
    world = adopted.world
    lead = adopted.host.leads[0]
    await adopted.conn.execute(
        "UPDATE leads SET status = 'leased', email = ' ', notes = 'keys given', "
        "updated_at = '2026-01-01 00:00+00' WHERE id = $1",
        lead,
    )
    await adopted.conn.execute("UPDATE leads SET company = 'hers alone' WHERE id = $1", lead)
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
        "updated_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    await world.project()
    row = await adopted.conn.fetchrow("SELECT updated_at, company FROM leads WHERE id = $1", lead)
    assert row is not None
    assert tuple(row) == (datetime(2026, 1, 1, tzinfo=UTC), "hers alone")
    await live_is_rebuilt(adopted.pool)


async def test_a_row_that_could_not_be_adopted_is_once_it_can(adopted: Hosted) -> None:
    world = adopted.world
    heard: list[str] = []
    adopted.conn.add_log_listener(lambda _, message: heard.append(str(message)))
    lead = uuid4()
    await adopted.conn.execute(
        "INSERT INTO leads (id, property_id, status) VALUES ($1, $2, 'prospect')",
        lead, world.properties[0],
    )  # fmt: skip
    await until(lambda: any("status is unknown: prospect" in said for said in heard))
    await world.project()
    await live_is_rebuilt(adopted.pool)
    assert [row["id"] async for row in tables.left_out(adopted.pool)] == [lead]
    await adopted.conn.execute("UPDATE leads SET status = 'new' WHERE id = $1", lead)
    await world.project()
    assert (
        await adopted.conn.fetchval("SELECT org_id FROM leads WHERE id = $1", lead) == world.org_id
    )
    await live_is_rebuilt(adopted.pool)


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


async def test_what_no_fact_could_tell_of_is_refused_with_a_reason(adopted: Hosted) -> None:
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
                    await adopted.conn.execute("UPDATE leads SET notes = 'mine'")


@pytest.mark.parametrize("seed", range(2))
async def test_what_other_code_writes_before_during_and_after_is_never_lost(
    before: Hosted, seed: int
) -> None:
    await rows.hold(before, seed, turns=200)


async def test_the_host_edits_its_own_messages_and_not_the_cores(adopted: Hosted) -> None:
    lead, world = adopted.host.leads[0], adopted.world
    *_, said = world.chat(None)
    started = ConversationStarted(
        conversation_id=said.stream_id, lead_id=lead, channel=ConversationChannel.CHAT
    )
    said = said.model_copy(update={"session_id": None})
    await world.append(world.new(started), world.new(said))
    await world.project()
    edit = "UPDATE messages SET content = content || '!' WHERE conversation_id = $1"
    with pytest.raises(asyncpg.RestrictViolationError, match="said through the core"):
        await adopted.conn.execute(edit, said.stream_id)
    await adopted.conn.execute(edit, adopted.host.talks[0])
    await world.project()
    edited = await adopted.conn.fetch(
        "SELECT content FROM messages WHERE conversation_id = $1", adopted.host.talks[0]
    )
    assert {row["content"][-1] for row in edited} == {"!"}
    await live_is_rebuilt(adopted.pool)


async def test_a_message_has_one_id_whether_the_host_says_it_or_the_core(
    installed: Hosted,
) -> None:
    """A row that is no fact yet, one that is, and the host's under the id of what the core said."""
    world, host, conn = installed.world, installed.host, installed.conn
    first, second = await conn.fetch("SELECT id FROM messages ORDER BY id LIMIT 2")
    with pytest.raises(Refused, match="already in the log"):
        await _say(world, first["id"])
    await adopt_all(host, installed.pool)
    with pytest.raises(Refused, match="already in the log"):
        await _say(world, second["id"])
    said = uuid4()
    same = await conn.fetchval("SELECT crm.adopted_id('messages', $1)", said)
    assert same == message_event_id(said)
    await _say(world, said)
    with pytest.raises(asyncpg.RestrictViolationError, match="said through the core"):
        await conn.execute(
            "INSERT INTO messages (id, conversation_id, role, content) VALUES ($1, $2, 'user', '')",
            said, host.talks[0],
        )  # fmt: skip
    await world.project()
    assert await parked_reasons(installed.pool) == []
    await live_is_rebuilt(installed.pool)


async def _say(world: World, message_id: UUID) -> None:
    said = ReceiveMessage(uuid4(), uuid4(), message_id, "hello", "v_1")
    scope = Scope(world.org_id, world.properties[0], world.tick(), CAUSE)
    await handle(world.pool, scope, said)
