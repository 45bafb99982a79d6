"""Other code writes before, during and after adoption: live = rebuilt, and no write is lost."""

import asyncio
import random
from typing import Any
from uuid import UUID

import asyncpg

from events.leads import LeadUpdated
from services.adoption import adoption
from tests.conftest import until
from tests.host import (
    HostPlatform,
    assert_live_equals_rebuilt,
    ignore_progress,
    install_core,
    own_columns,
    rebuild_of,
)
from tests.services.adoption.conftest import HostDatabase

EDITED = {"leads": {4, 7}, "conversations": set(), "messages": set()}
"""The indexes of the host's own columns that its other code edits: last name and status."""


async def write_during_adoption(database: HostDatabase, seed: int, turns: int) -> None:
    """Install, adopt, project and write at the same time; check that no write is lost or undone."""
    host, pool = database.host, database.pool
    before = await own_columns(database.conn)
    await install_core(database.url)
    others = [await asyncpg.connect(database.url) for _ in range(2)]
    busy = [host.write_rows(other, turns, seed * 10 + n) for n, other in enumerate(others)]
    core: dict[UUID, str] = {}
    work = asyncio.gather(
        *busy,
        adoption.adopt(pool, ignore_progress),
        _update_in_core(database, core, turns // 2, seed),
    )
    while not work.done():
        await database.world.project()
    await work
    await adoption.adopt(pool, ignore_progress)
    assert await adoption.mark_complete(pool)
    await host.write_rows(database.conn, turns // 3, seed + 99)
    await assert_live_equals_rebuilt(pool)  # while the host is ahead of the tables
    await database.world.project()
    await assert_live_equals_rebuilt(pool)
    assert (await rebuild_of(pool).rebuild(repair=False)).swapped
    for other in others:
        await other.close()
    await _check_rows(host, database.conn, before)
    rows = await database.conn.fetch("SELECT id, bedrooms FROM leads WHERE bedrooms IS NOT NULL")
    assert {row["id"]: row["bedrooms"] for row in rows} == core


async def _update_in_core(
    database: HostDatabase, bedrooms: dict[UUID, str], turns: int, seed: int
) -> None:
    """Append events of the core for adopted leads; `bedrooms` gets the last value of each lead."""
    chance, world = random.Random(seed), database.world
    adopted_leads = (
        "SELECT entity_id, property_id FROM crm_events WHERE event_type = 'lead.adopted' "
        "ORDER BY seq LIMIT 300"
    )
    rows = await until(lambda: database.pool.fetch(adopted_leads))
    for turn in range(turns):
        lead, property_id = chance.choice(rows)
        bedrooms[lead] = f"{turn} rooms"
        event = LeadUpdated(lead_id=lead, bedrooms=bedrooms[lead])
        await world.append(world.new(event, property_id=property_id))


async def _check_rows(host: HostPlatform, conn: asyncpg.Connection, before: Any) -> None:
    notes = {row["id"]: row["notes"] for row in await conn.fetch("SELECT id, notes FROM leads")}
    assert {key: sorted(notes[key].split()) for key in host.notes} == {
        key: sorted(words) for key, words in host.notes.items()
    }
    contents = {
        row["id"]: row["content"] for row in await conn.fetch("SELECT id, content FROM messages")
    }
    assert {key: contents[key] for key in host.message_contents} == host.message_contents
    after = await own_columns(conn)
    for table, rows in before.items():
        assert _unedited(table, {key: after[table][key] for key in rows}) == _unedited(table, rows)
        assert await conn.fetchval(f"SELECT count(*) FROM {table} WHERE org_id IS NULL") == 0


def _unedited(table: str, rows: dict[Any, tuple[Any, ...]]) -> dict[Any, list[Any]]:
    edited = EDITED[table]
    return {key: [v for n, v in enumerate(row) if n not in edited] for key, row in rows.items()}
