"""Adoption: every row of the host becomes an event, and no row changes."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.claims import claims_of
from events.keys.ring import current_ring
from events.log import read
from events.record import Cause
from projections.engine.adoption import AdoptionRequired
from services.adoption import adopted_tables, adoption
from services.application.command_handler import transact
from services.application.leads import find_lead
from services.application.scope import Scope
from services.deciders.leads import Details
from tests.host import (
    assert_live_equals_rebuilt,
    ignore_progress,
    install_core,
    own_columns,
    rebuild_of,
)
from tests.services.adoption.conftest import ROWS, HostDatabase
from tests.world import make_world

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
"""Column, value and reason of rows that cannot be adopted."""


async def damage_rows(conn: asyncpg.Connection) -> dict[UUID, str]:
    """Make every kind of row that cannot be adopted; return their keys and the reasons."""
    reasons: dict[UUID, str] = {}
    for table, kinds in BAD.items():
        for column, value, why in kinds:
            key = await conn.fetchval(
                f"UPDATE {table} SET {column} = {value} WHERE id = (SELECT r.id FROM {table} r "
                "WHERE NOT r.id = ANY($1) AND NOT EXISTS (SELECT FROM conversations c "
                "WHERE c.lead_id = r.id) AND NOT EXISTS (SELECT FROM messages m "
                "WHERE m.conversation_id = r.id) LIMIT 1) RETURNING id",
                list(reasons),
            )
            reasons[key] = why
    return reasons


async def test_the_hosts_rows_are_adopted_once_and_none_of_them_changes(
    before: HostDatabase,
) -> None:
    bad = await damage_rows(before.conn)
    original = await own_columns(before.conn)
    await install_core(before.url)
    with pytest.raises(AdoptionRequired, match="crm adopt"):
        await rebuild_of(before.pool).verify()
    with pytest.raises(AdoptionRequired, match="crm adopt"):
        await rebuild_of(before.pool).rebuild(repair=True)
    counts = {table.table: table for table in await adopted_tables.count_rows(before.pool)}
    assert {name: (table.rows, table.adopted) for name, table in counts.items()} == {
        "leads": (ROWS, 0), "conversations": (ROWS, 0), "messages": (ROWS, 0),
    }  # fmt: skip
    assert await before.conn.fetchval("SELECT count(*) FROM crm_events WHERE actor = 'adopt'") == 0
    listed = {row["id"]: row["why"] async for row in adopted_tables.find_left_out(before.pool)}
    assert listed == bad
    new = await adoption.adopt(before.pool, ignore_progress)
    assert new == {table: ROWS - len(kinds) for table, kinds in BAD.items()}
    assert new == {name: table.to_adopt for name, table in counts.items()}
    assert await adoption.mark_complete(before.pool)
    assert not await adoption.adopt(before.pool, ignore_progress)
    await before.world.project()
    await assert_live_equals_rebuilt(before.pool)
    oid = await before.conn.fetchval("SELECT 'leads'::regclass::oid")
    assert (await rebuild_of(before.pool).rebuild(repair=False)).swapped
    assert await own_columns(before.conn) == original
    assert await before.conn.fetchval("SELECT 'leads'::regclass::oid") == oid
    for table in BAD:
        rows = await before.conn.fetch(f"SELECT id, org_id FROM {table}")
        assert {row["id"] for row in rows if row["org_id"] is None} == bad.keys() & {
            row["id"] for row in rows
        }


async def test_an_adoption_event_has_the_time_of_its_row_and_no_side_effects(
    adopted: HostDatabase,
) -> None:
    rows = await adopted.conn.fetch(
        "SELECT e.origin, e.actor, e.occurred_at = l.created_at AS then, e.property_id = "
        "l.property_id AS there, e.id = crm.adopted_id('leads', l.id) AS same, e.version "
        "FROM crm_events e JOIN leads l ON l.id = e.entity_id WHERE e.entity_type = 'lead'"
    )
    assert {tuple(row) for row in rows} == {("adopt", "adopt", True, True, True, 1)}
    for table in ("lead_activities", "lead_engagement_events"):
        assert await adopted.conn.fetchval(f"SELECT count(*) FROM {table}") == 0
    assert await adopted.conn.fetchval("SELECT count(DISTINCT lead_id) FROM lead_scores") == ROWS


async def test_only_the_core_writes_if_no_host_was_adopted(
    pool: asyncpg.Pool, owner_pool: asyncpg.Pool
) -> None:
    world = await make_world(pool)
    insert = "INSERT INTO leads (property_id) VALUES ($1)"
    async with pool.acquire() as conn:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="derived from events"):
            await conn.execute(insert, world.properties[0])
        with pytest.raises(adoption.NothingToAdopt, match="--open"):
            await adoption.adopt(pool, ignore_progress)
        await adoption.adopt(pool, ignore_progress, open_=True)
        assert await adoption.mark_complete(pool)
        await conn.execute(insert, world.properties[0])
        await world.append_staged()
        assert await conn.fetchval("SELECT origin FROM crm_events WHERE actor = 'host' AND "
                                   "event_type = 'lead.adopted'") == "live"  # fmt: skip
    await world.project()
    await assert_live_equals_rebuilt(owner_pool)


async def test_a_visitor_with_an_adopted_address_is_the_adopted_lead(adopted: HostDatabase) -> None:
    """Find the lead that was adopted first, if two rows of the host have the same address."""
    world = adopted.world
    scope = Scope(world.org_id, world.properties[0], datetime.now(UTC), Cause(actor="test"))
    found = await transact(
        adopted.pool,
        scope,
        lambda uow: find_lead(uow, Details(email="lead0@example.com"), None),
    )
    assert found.result == adopted.host.leads[0]
    async with adopted.pool.acquire() as own:
        rows = await read.position_rows(own, after=0, upto=10**9)
        recorded_events = await read.decode_rows(own, rows)
        claims = await own.fetch("SELECT kind, value, owner, scope FROM crm.claims")
    key = await current_ring().contact_key(adopted.pool)
    claimed: dict[Any, UUID] = {}
    for recorded in recorded_events:
        for claim in claims_of(recorded.event, key):  # type: ignore[arg-type]
            claimed.setdefault((claim.kind, claim.value, recorded.property_id), claim.owner)
    stored = {(row["kind"], row["value"], row["scope"]): row["owner"] for row in claims}
    assert stored.keys() == claimed.keys()
    assert len(stored) < 2 * ROWS


async def test_a_repair_writes_the_differences_into_the_same_table(adopted: HostDatabase) -> None:
    world = adopted.world
    before = await own_columns(adopted.conn)
    oids = await adopted.conn.fetch("SELECT oid, relacl FROM pg_class WHERE relname = 'leads'")
    async with adopted.conn.transaction():
        await adopted.conn.execute("SET LOCAL crm.engine = 'on'")
        await adopted.conn.execute(
            "UPDATE leads SET first_name = 'Eve' WHERE id = $1", adopted.host.leads[0]
        )
        await adopted.conn.execute("DELETE FROM messages WHERE content = 'said 7'")
        await adopted.conn.execute(
            "INSERT INTO leads (id, org_id, property_id) VALUES ($1, $2, $3)",
            uuid4(), world.org_id, world.properties[0],
        )  # fmt: skip
    assert not (await rebuild_of(adopted.pool).verify()).equal
    await rebuild_of(adopted.pool).rebuild(repair=True)
    assert await own_columns(adopted.conn) == before
    assert await adopted.conn.fetch("SELECT oid, relacl FROM pg_class WHERE relname = 'leads' "
                            "AND relnamespace = 'public'::regnamespace") == oids  # fmt: skip
    old = await adopted.conn.fetch("SELECT first_name FROM crm_old.leads WHERE first_name = 'Eve'")
    assert len(old) == 1
    await assert_live_equals_rebuilt(adopted.pool)


async def test_an_interrupted_adoption_continues_where_it_stopped(
    installed: HostDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adoption, "BATCH_ROWS", 40)
    done = 0

    def interrupt(_table: str, more: int) -> None:
        nonlocal done
        done += more
        if done >= 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await adoption.adopt(installed.pool, interrupt)
    assert not await adoption.mark_complete(installed.pool)
    new = await adoption.adopt(installed.pool, ignore_progress)
    assert done + sum(new.values()) == 3 * ROWS
    assert await adoption.mark_complete(installed.pool)
    counted = await installed.conn.fetchval("SELECT count(*) FROM crm_events WHERE actor = 'adopt'")
    assert counted == 3 * ROWS


async def test_adoption_skips_rows_that_the_host_is_writing_without_waiting(
    installed: HostDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adoption, "PASSES", 1)
    writing = installed.conn.transaction()
    await writing.start()
    await installed.conn.execute(
        "UPDATE leads SET notes = 'edited' WHERE id = $1", installed.host.leads[0]
    )
    await adoption.adopt(installed.pool, ignore_progress)
    assert not await adoption.mark_complete(installed.pool)
    await writing.commit()
    await adoption.adopt(installed.pool, ignore_progress)
    assert await adoption.mark_complete(installed.pool)
    await installed.world.project()
    await assert_live_equals_rebuilt(installed.pool)
