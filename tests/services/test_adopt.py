"""Adoption: the host's rows become facts, and nothing of them changes, whoever writes meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.claims import claims_of
from events.log import read
from events.record import Stream
from projections.catalog import LIVE
from projections.engine.adoption import NotAdopted
from projections.engine.rebuild import Rebuild
from projections.engine.refold import folding_log
from services import adopt
from services.deciders.leads import Details
from services.handle import Scope, transact
from services.handling.capture import known_lead
from services.runtime.database import pooled
from tests.conftest import make_settings
from tests.host import Host, bare_database, install_core, own_columns
from tests.world import World, make_world, parked_reasons

ROWS = 300
BAD = {
    "leads": [
        ("property_id", "NULL", "it has no property"),
        ("status", "'prospect'", "status is unknown: prospect"),
        ("status", "NULL", "status is empty"),
        ("first_name", "repeat('x', 321)", "first_name is longer than 320 characters"),
        ("created_at", "NULL", "created_at is empty"),
        ("created_at", "now() + interval '1 day'", "created_at is yet to come"),
        ("created_at", "'infinity'", "created_at is yet to come"),
    ],
    "conversations": [
        ("channel", "'pigeon'", "channel is unknown: pigeon"),
        ("property_id", "NULL", "it has no property"),
    ],
    "messages": [
        ("role", "'tool'", "role is unknown: tool"),
        ("content", "NULL", "content is empty"),
        ("content", "repeat('x', 20001)", "content is longer than 20000 characters"),
        ("conversation_id", "NULL", "its conversation is not there"),
    ],
}
"""Column, value and reason of rows that no fact can tell of."""


def told(_table: str, _more: int) -> None: ...


def rebuild_of(pool: asyncpg.Pool) -> Rebuild:
    return Rebuild(pool, LIVE, LIVE, folding_log(pool), lambda *_: None)


@pytest.fixture
async def url(server_url: str) -> AsyncIterator[str]:
    async with bare_database(server_url) as found:
        yield found


@pytest.fixture
async def conn(url: str) -> AsyncIterator[asyncpg.Connection]:
    """The host's other code's own connection."""
    opened = await asyncpg.connect(url)
    yield opened
    await opened.close()


@pytest.fixture
async def host(url: str, conn: asyncpg.Connection) -> Host:
    """A host with rows, before the core is installed."""
    made = Host(url)
    await made.begin(conn, ROWS)
    return made


@pytest.fixture
async def host_pool(url: str, tmp_path: Any) -> AsyncIterator[asyncpg.Pool]:
    async with pooled(make_settings(url, "127.0.0.1:9", tmp_path), "test", role=None) as opened:
        yield opened


async def adopted(host: Host, pool: asyncpg.Pool) -> World:
    """The core is installed and everything adopted and projected."""
    await install_core(host.url)
    await adopt.adopt(pool, told)
    assert await adopt.complete(pool)
    world = host.world(pool)
    await world.project()
    return world


async def live_is_rebuilt(pool: asyncpg.Pool) -> None:
    assert await parked_reasons(pool) == []
    outcome = await rebuild_of(pool).verify()
    assert outcome.equal, [str(d) for c in outcome.comparisons for d in c.differences]


async def left_out_rows(conn: asyncpg.Connection) -> dict[UUID, str]:
    """Make every kind of row that cannot be adopted; their keys and why."""
    found = {}
    for table, kinds in BAD.items():
        for column, value, why in kinds:
            key = await conn.fetchval(
                f"UPDATE {table} SET {column} = {value} WHERE id = (SELECT r.id FROM {table} r "
                "WHERE NOT r.id = ANY($1) AND NOT EXISTS (SELECT FROM conversations c "
                "WHERE c.lead_id = r.id) AND NOT EXISTS (SELECT FROM messages m "
                "WHERE m.conversation_id = r.id) LIMIT 1) RETURNING id",
                list(found),
            )
            found[key] = why
    return found


async def test_the_hosts_rows_are_adopted_once_and_none_of_them_changes(
    host: Host, conn: asyncpg.Connection, host_pool: asyncpg.Pool
) -> None:
    bad = await left_out_rows(conn)
    before = await own_columns(conn)
    await install_core(host.url)
    with pytest.raises(NotAdopted, match="crm adopt"):
        await rebuild_of(host_pool).verify()
    with pytest.raises(NotAdopted, match="crm adopt"):
        await rebuild_of(host_pool).rebuild(repair=True)
    looked = {found.table: found for found in await adopt.look(host_pool)}
    assert {table: (f.rows, f.adopted) for table, f in looked.items()} == {
        "leads": (ROWS, 0), "conversations": (ROWS, 0), "messages": (ROWS, 0),
    }  # fmt: skip
    assert await conn.fetchval("SELECT count(*) FROM crm_events WHERE actor = 'adopt'") == 0
    listed = {row["id"]: row["why"] async for row in adopt.left_out(host_pool)}
    assert listed == bad
    new = await adopt.adopt(host_pool, told)
    assert new == {table: ROWS - len(kinds) for table, kinds in BAD.items()}
    assert new == {table: found.to_adopt for table, found in looked.items()}
    assert await adopt.complete(host_pool)
    assert not await adopt.adopt(host_pool, told)
    world = host.world(host_pool)
    await world.project()
    await live_is_rebuilt(host_pool)
    oid = await conn.fetchval("SELECT 'leads'::regclass::oid")
    assert (await rebuild_of(host_pool).rebuild(repair=False)).swapped
    assert await own_columns(conn) == before
    assert await conn.fetchval("SELECT 'leads'::regclass::oid") == oid
    for table in BAD:
        rows = await conn.fetch(f"SELECT id, org_id FROM {table}")
        assert {row["id"] for row in rows if row["org_id"] is None} == bad.keys() & {
            row["id"] for row in rows
        }


async def test_an_adopted_fact_says_when_the_row_was_made_and_causes_nothing(
    host: Host, conn: asyncpg.Connection, host_pool: asyncpg.Pool
) -> None:
    await adopted(host, host_pool)
    rows = await conn.fetch(
        "SELECT e.origin, e.actor, e.occurred_at = l.created_at AS then, e.property_id = "
        "l.property_id AS there, e.id = crm.adopted_id('leads', l.id) AS same, e.version "
        "FROM crm_events e JOIN leads l ON l.id = e.entity_id WHERE e.entity_type = 'lead'"
    )
    assert {tuple(row) for row in rows} == {("adopt", "adopt", True, True, True, 1)}
    for table in ("lead_activities", "lead_engagement_events"):
        assert await conn.fetchval(f"SELECT count(*) FROM {table}") == 0
    assert await conn.fetchval("SELECT count(DISTINCT lead_id) FROM lead_scores") == ROWS


@pytest.mark.parametrize("seed", range(2))
async def test_what_other_code_writes_before_during_and_after_is_never_lost(
    host: Host, conn: asyncpg.Connection, host_pool: asyncpg.Pool, seed: int
) -> None:
    before = await own_columns(conn)
    await hold_showing_9(host, conn, host_pool, before, seed, turns=ROWS)


async def hold_showing_9(
    host: Host, conn: asyncpg.Connection, pool: asyncpg.Pool, before: Any, seed: int, turns: int
) -> None:
    """Adopt, project and write at once; then every word the host wrote is where it wrote it."""
    await install_core(host.url)
    world = host.world(pool)
    others = [await asyncpg.connect(host.url) for _ in range(2)]
    busy = asyncio.gather(
        *(host.go_on(other, turns, seed * 10 + n) for n, other in enumerate(others))
    )
    work = asyncio.gather(busy, adopt.adopt(pool, told))
    while not work.done():
        await world.project()
        await asyncio.sleep(0)
    await work
    await adopt.adopt(pool, told)
    assert await adopt.complete(pool)
    await host.go_on(conn, turns // 3, seed + 99)
    await live_is_rebuilt(pool)  # the host is ahead of the tables here
    await world.project()
    await live_is_rebuilt(pool)
    assert (await rebuild_of(pool).rebuild(repair=False)).swapped
    for other in others:
        await other.close()
    await keeps_every_word(host, conn, before)


async def keeps_every_word(host: Host, conn: asyncpg.Connection, before: Any) -> None:
    notes = {row["id"]: row["notes"] for row in await conn.fetch("SELECT id, notes FROM leads")}
    assert {key: notes[key] for key in host.notes} == host.notes
    contents = {r["id"]: r["content"] for r in await conn.fetch("SELECT id, content FROM messages")}
    assert {key: contents[key] for key in host.said} == host.said
    after = await own_columns(conn)
    for table, rows in before.items():
        for key, row in rows.items():
            if table == "leads":  # status and last name are what the host's other code edits
                edited = (4, 7)
                assert [v for n, v in enumerate(after[table][key]) if n not in edited] == [
                    v for n, v in enumerate(row) if n not in edited
                ]
            else:
                assert after[table][key] == row
    assert await conn.fetchval("SELECT count(*) FROM leads WHERE org_id IS NULL") == 0


@pytest.mark.parametrize("protected", [True, False])
async def test_no_older_fact_puts_back_what_the_host_wrote(
    host: Host, conn: asyncpg.Connection, host_pool: asyncpg.Pool, protected: bool
) -> None:
    """Two edits; the tables come to the first of them while the second is not numbered yet."""
    world = await adopted(host, host_pool)
    lead = host.leads[0]
    if not protected:
        await conn.execute("ALTER TABLE leads DISABLE TRIGGER crm_keep_ahead")
    await conn.execute("UPDATE leads SET first_name = 'first' WHERE id = $1", lead)
    await world.number()
    engine = await world.engine()
    await engine.claim(range(64))
    await conn.execute("UPDATE leads SET first_name = 'second' WHERE id = $1", lead)
    for shard, head in (await engine.behind()).items():
        await engine.heal(shard, head)
    await engine.settle()
    held = await conn.fetchval("SELECT first_name FROM leads WHERE id = $1", lead)
    assert held == ("second" if protected else "first")
    await world.project()
    assert await conn.fetchval("SELECT first_name FROM leads WHERE id = $1", lead) == "second"
    await live_is_rebuilt(host_pool)


async def test_an_edit_is_the_facts_of_what_changed(
    host: Host, conn: asyncpg.Connection, host_pool: asyncpg.Pool
) -> None:
    world = await adopted(host, host_pool)
    lead = host.leads[0]
    await conn.execute(
        "UPDATE leads SET status = 'leased', email = ' ', notes = 'keys given', "
        "updated_at = '2026-01-01 00:00+00' WHERE id = $1",
        lead,
    )
    await conn.execute("UPDATE leads SET company = 'hers alone' WHERE id = $1", lead)
    async with host_pool.acquire() as own:
        facts = await read.streams(own, [Stream("lead", lead)])
    assert [fact.event.name for fact in facts[1:]] == ["lead.status_changed", "lead.updated"]
    assert facts[2].event.model_dump(mode="json", exclude_unset=True) == {
        "lead_id": str(lead), "email": " ", "notes": "keys given", "has_email": False,
        "updated_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    await world.project()
    row = await conn.fetchrow("SELECT updated_at, company FROM leads WHERE id = $1", lead)
    assert tuple(row) == (datetime(2026, 1, 1, tzinfo=UTC), "hers alone")
    await live_is_rebuilt(host_pool)


async def test_a_row_that_could_not_be_adopted_is_once_it_can(
    host: Host, conn: asyncpg.Connection, host_pool: asyncpg.Pool
) -> None:
    world = await adopted(host, host_pool)
    heard: list[str] = []
    conn.add_log_listener(lambda _, message: heard.append(str(message)))
    lead = uuid4()
    await conn.execute(
        "INSERT INTO leads (id, property_id, status) VALUES ($1, $2, 'prospect')",
        lead, world.properties[0],
    )  # fmt: skip
    await asyncio.sleep(0)
    assert any("status is unknown: prospect" in said for said in heard)
    await world.project()
    await live_is_rebuilt(host_pool)
    assert [row["id"] async for row in adopt.left_out(host_pool)] == [lead]
    await conn.execute("UPDATE leads SET status = 'new' WHERE id = $1", lead)
    await world.project()
    assert await conn.fetchval("SELECT org_id FROM leads WHERE id = $1", lead) == world.org_id
    await live_is_rebuilt(host_pool)


TALK = "SELECT id FROM conversations WHERE lead_id = $1"
REFUSED = [
    ("DELETE FROM leads WHERE id = $1", "not deleted"),
    ("UPDATE leads SET status = 'prospect' WHERE id = $1", "status is unknown"),
    ("UPDATE leads SET notes = repeat('x', 20001) WHERE id = $1", "20000 characters"),
    ("UPDATE leads SET org_id = NULL WHERE id = $1", "the core's columns"),
    ("UPDATE leads SET created_at = now() WHERE id = $1", "stay as they are"),
    ("UPDATE leads SET property_id = NULL WHERE id = $1", "stay as they are"),
    ("DELETE FROM conversations WHERE lead_id = $1", "not deleted"),
    ("UPDATE conversations SET message_count = 9 WHERE lead_id = $1", "the core's columns"),
    ("UPDATE conversations SET channel = 'x' WHERE lead_id = $1", "channel is unknown"),
    ("UPDATE conversations SET lead_id = id WHERE lead_id = $1", "its lead is not there"),
    (f"UPDATE messages SET author = 'bot' WHERE conversation_id = ({TALK})", "the core's columns"),
    (f"DELETE FROM messages WHERE conversation_id = ({TALK})", "not deleted"),
]


async def test_what_no_fact_could_tell_of_is_refused_with_a_reason(
    host: Host, conn: asyncpg.Connection, host_pool: asyncpg.Pool
) -> None:
    await adopted(host, host_pool)
    for statement, why in REFUSED:
        with pytest.raises(asyncpg.RestrictViolationError, match=why):
            await conn.execute(statement, host.leads[3])
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="derived from events"):
        await conn.execute("TRUNCATE messages")
    for role in ("anon", "authenticated"):
        async with conn.transaction():
            await conn.execute(f"GRANT UPDATE ON leads TO {role}; SET LOCAL ROLE {role}")
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="derived from events"):
                async with conn.transaction():
                    await conn.execute("UPDATE leads SET notes = 'mine'")


async def test_only_the_core_writes_where_no_host_was_adopted(pool: asyncpg.Pool) -> None:
    world = await make_world(pool)
    insert = "INSERT INTO leads (property_id) VALUES ($1)"
    async with pool.acquire() as conn:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="derived from events"):
            await conn.execute(insert, world.properties[0])
        with pytest.raises(adopt.NothingToAdopt, match="--open"):
            await adopt.adopt(pool, told)
        await adopt.adopt(pool, told, open_=True)
        assert await adopt.complete(pool)
        await conn.execute(insert, world.properties[0])
        assert await conn.fetchval("SELECT origin FROM crm_events WHERE actor = 'host' AND "
                                   "event_type = 'lead.adopted'") == "live"  # fmt: skip
    await world.project()
    await live_is_rebuilt(pool)


async def test_a_visitor_with_an_adopted_address_is_that_lead(
    host: Host, conn: asyncpg.Connection, host_pool: asyncpg.Pool
) -> None:
    """Two rows of the host share an address: the first to be adopted has it."""
    world = await adopted(host, host_pool)
    scope = Scope(world.org_id, world.properties[0])
    found = await transact(
        host_pool, scope, lambda unit: known_lead(unit, Details(email="lead0@example.com"), None)
    )
    assert found.result == host.leads[0]
    async with host_pool.acquire() as own:
        rows = await read.position_rows(own, after=0, upto=10**9)
        facts = [read.recorded(row) for row in rows]
        held = await own.fetch("SELECT kind, value, owner, scope FROM crm.claims")
    claimed: dict[Any, UUID] = {}
    for fact in facts:
        for claim in claims_of(fact.event):  # type: ignore[arg-type]
            claimed.setdefault((claim.kind, claim.value, fact.property_id), claim.owner)
    kept = {(row["kind"], row["value"], row["scope"]): row["owner"] for row in held}
    assert kept.keys() == claimed.keys()
    assert len(kept) < 2 * ROWS


async def test_a_repair_writes_what_differs_and_leaves_the_table_itself(
    host: Host, conn: asyncpg.Connection, host_pool: asyncpg.Pool
) -> None:
    world = await adopted(host, host_pool)
    before = await own_columns(conn)
    oids = await conn.fetch("SELECT oid, relacl FROM pg_class WHERE relname = 'leads'")
    async with conn.transaction():
        await conn.execute("SET LOCAL crm.engine = 'on'")
        await conn.execute("UPDATE leads SET first_name = 'Eve' WHERE id = $1", host.leads[0])
        await conn.execute("DELETE FROM messages WHERE content = 'said 7'")
        await conn.execute("INSERT INTO leads (id, org_id, property_id) VALUES ($1, $2, $3)",
                           uuid4(), world.org_id, world.properties[0])  # fmt: skip
    assert not (await rebuild_of(host_pool).verify()).equal
    await rebuild_of(host_pool).rebuild(repair=True)
    assert await own_columns(conn) == before
    assert await conn.fetch("SELECT oid, relacl FROM pg_class WHERE relname = 'leads' "
                            "AND relnamespace = 'public'::regnamespace") == oids  # fmt: skip
    kept = await conn.fetch("SELECT first_name FROM crm_old.leads WHERE first_name = 'Eve'")
    assert len(kept) == 1
    await live_is_rebuilt(host_pool)


async def test_an_adoption_that_is_broken_off_goes_on_where_it_stopped(
    host: Host, conn: asyncpg.Connection, host_pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await install_core(host.url)
    monkeypatch.setattr(adopt, "BATCH_ROWS", 40)
    done = 0

    def break_off(_table: str, more: int) -> None:
        nonlocal done
        done += more
        if done >= 400:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await adopt.adopt(host_pool, break_off)
    assert not await adopt.complete(host_pool)
    new = await adopt.adopt(host_pool, told)
    assert done + sum(new.values()) == 3 * ROWS
    assert await adopt.complete(host_pool)
    counted = await conn.fetchval("SELECT count(*) FROM crm_events WHERE actor = 'adopt'")
    assert counted == 3 * ROWS


async def test_rows_the_host_is_writing_are_left_for_later_and_never_waited_for(
    host: Host, conn: asyncpg.Connection, host_pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await install_core(host.url)
    monkeypatch.setattr(adopt, "PASSES", 1)
    writing = conn.transaction()
    await writing.start()
    await conn.execute("UPDATE leads SET notes = 'mine' WHERE id = $1", host.leads[0])
    await adopt.adopt(host_pool, told)
    assert not await adopt.complete(host_pool)
    await writing.commit()
    await adopt.adopt(host_pool, told)
    assert await adopt.complete(host_pool)
    world = host.world(host_pool)
    await world.project()
    await live_is_rebuilt(host_pool)
