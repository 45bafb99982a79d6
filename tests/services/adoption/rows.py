"""Other code writes before, during and after adoption: live = rebuilt, and every word is there."""

import asyncio
import random
from typing import Any
from uuid import UUID

import asyncpg

from events.leads import LeadUpdated
from services.adoption import adoption
from tests.conftest import until
from tests.host import Host, install_core, live_is_rebuilt, own_columns, rebuild_of, told
from tests.services.adoption.conftest import Hosted

EDITED = {"leads": {4, 7}, "conversations": set(), "messages": set()}
"""Which of the host's own columns its other code edits: a lead's last name and status."""


async def hold(hosted: Hosted, seed: int, turns: int) -> None:
    """Install, adopt, project and write at once; then see that nothing is lost or put back."""
    host, pool = hosted.host, hosted.pool
    before = await own_columns(hosted.conn)
    await install_core(hosted.url)
    others = [await asyncpg.connect(hosted.url) for _ in range(2)]
    busy = [host.go_on(other, turns, seed * 10 + n) for n, other in enumerate(others)]
    core: dict[UUID, str] = {}
    work = asyncio.gather(*busy, adoption.adopt(pool, told), _core(hosted, core, turns // 2, seed))
    while not work.done():
        await hosted.world.project()
    await work
    await adoption.adopt(pool, told)
    assert await adoption.complete(pool)
    await host.go_on(hosted.conn, turns // 3, seed + 99)
    await live_is_rebuilt(pool)  # while the host is ahead of the tables
    await hosted.world.project()
    await live_is_rebuilt(pool)
    assert (await rebuild_of(pool).rebuild(repair=False)).swapped
    for other in others:
        await other.close()
    await _keeps_every_word(host, hosted.conn, before)
    rows = await hosted.conn.fetch("SELECT id, bedrooms FROM leads WHERE bedrooms IS NOT NULL")
    assert {row["id"]: row["bedrooms"] for row in rows} == core


async def _core(hosted: Hosted, said: dict[UUID, str], turns: int, seed: int) -> None:
    """The core's own facts of leads that are adopted; `said`: the last of each."""
    chance, world = random.Random(seed), hosted.world
    known = (
        "SELECT entity_id, property_id FROM crm_events WHERE event_type = 'lead.adopted' "
        "ORDER BY seq LIMIT 300"
    )
    rows = await until(lambda: hosted.pool.fetch(known))
    for turn in range(turns):
        lead, home = chance.choice(rows)
        said[lead] = f"{turn} rooms"
        event = LeadUpdated(lead_id=lead, bedrooms=said[lead])
        await world.append(world.new(event, property_id=home))


async def _keeps_every_word(host: Host, conn: asyncpg.Connection, before: Any) -> None:
    notes = {row["id"]: row["notes"] for row in await conn.fetch("SELECT id, notes FROM leads")}
    assert {key: sorted(notes[key].split()) for key in host.notes} == {
        key: sorted(words) for key, words in host.notes.items()
    }
    said = {
        row["id"]: row["content"] for row in await conn.fetch("SELECT id, content FROM messages")
    }
    assert {key: said[key] for key in host.said} == host.said
    after = await own_columns(conn)
    for table, rows in before.items():
        assert _unedited(table, {key: after[table][key] for key in rows}) == _unedited(table, rows)
        assert await conn.fetchval(f"SELECT count(*) FROM {table} WHERE org_id IS NULL") == 0


def _unedited(table: str, rows: dict[Any, tuple[Any, ...]]) -> dict[Any, list[Any]]:
    edited = EDITED[table]
    return {key: [v for n, v in enumerate(row) if n not in edited] for key, row in rows.items()}
