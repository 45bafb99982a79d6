"""The worker that appends staged changes is killed at random during writes and adoption."""

import asyncio
import random
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.adoption import adoption
from services.runtime.settings import Settings
from tests.conftest import make_settings, until
from tests.forked import ForkedProcess
from tests.host import assert_live_equals_rebuilt, ignore_progress, install_core
from tests.services.adoption.conftest import HostDatabase

pytestmark = [pytest.mark.kill, pytest.mark.stack]

KILLS = 8
TURNS = 120
STOP_SECONDS = 60.0
AUDIT = """
CREATE TABLE staged_audit (seq bigint, id uuid, entity_type text, entity_id uuid);
CREATE FUNCTION audit_staged() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO public.staged_audit VALUES (NEW.seq, NEW.id, NEW.entity_type, NEW.entity_id);
  RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER INSERT ON crm.staged_changes
  FOR EACH ROW EXECUTE FUNCTION audit_staged();
INSERT INTO staged_audit SELECT seq, id, entity_type, entity_id FROM crm.staged_changes;
"""
"""A copy of every staged change, which stays when the change is in the log."""


async def test_changes_are_in_the_log_once_and_in_order_if_the_worker_is_killed(
    before: HostDatabase, bootstrap_servers: str, tmp_path: Path
) -> None:
    await install_core(before.url)
    await before.conn.execute(AUDIT)
    others = [await asyncpg.connect(before.url) for _ in range(2)]
    writes = asyncio.gather(
        *(before.host.write_rows(other, TURNS, seed) for seed, other in enumerate(others)),
        adoption.adopt(before.pool, ignore_progress),
    )
    await _kill_relays(make_settings(before.url, bootstrap_servers, tmp_path), before, writes)
    await writes
    for other in others:
        await other.close()
    await adoption.adopt(before.pool, ignore_progress)
    assert await adoption.mark_complete(before.pool)
    assert await before.conn.fetchval("SELECT count(*) FROM crm.staged_changes") == 0
    await _check_log(before.conn)
    await before.world.project()
    await assert_live_equals_rebuilt(before.pool)
    notes = {row["id"]: row["notes"] for row in await before.conn.fetch("SELECT * FROM leads")}
    assert {key: sorted(notes[key].split()) for key in before.host.notes} == {
        key: sorted(words) for key, words in before.host.notes.items()
    }


async def _kill_relays(
    settings: Settings, database: HostDatabase, writes: "asyncio.Future[Any]"
) -> None:
    """Run two relays; kill one of them after each few events, and start another."""
    chance = random.Random(14)
    relays = [ForkedProcess("relay", settings) for _ in range(2)]
    for relay in relays:
        await relay.start()
    for _ in range(KILLS):
        await _wait_for_events(database.conn, chance.randrange(1, 60), writes)
        number = chance.randrange(len(relays))
        relays[number].kill()
        relays[number] = ForkedProcess("relay", settings)
        await relays[number].start()
    await until(lambda: writes.done())
    query = "SELECT NOT EXISTS (SELECT FROM crm.staged_changes)"
    await until(lambda: database.pool.fetchval(query))
    for relay in relays:
        relay.stop()
        await relay.wait(STOP_SECONDS)
    # The test takes the lease next. That of a killed relay lasts for some seconds.
    is_free = "SELECT relay_lease_until < clock_timestamp() FROM crm.log"
    await until(lambda: database.pool.fetchval(is_free))


async def _wait_for_events(
    conn: asyncpg.Connection, more: int, writes: "asyncio.Future[Any]"
) -> None:
    """Wait until the log has so many more events, or the writes are done."""
    count = "SELECT count(*) FROM crm_events"
    enough = more + await conn.fetchval(count)

    async def is_reached() -> bool:
        return writes.done() or await conn.fetchval(count) >= enough

    await until(is_reached)


async def _check_log(conn: asyncpg.Connection) -> None:
    """Check that the log has each change once, and those of a lead in the order of the host.

    Two transactions can write messages of one conversation at the same time, in any order.
    """
    staged = await conn.fetch("SELECT * FROM staged_audit ORDER BY seq")
    recorded = await conn.fetch(
        "SELECT id, entity_type, entity_id, version FROM crm_events "
        "WHERE actor IN ('host', 'adopt') ORDER BY entity_id, version"
    )
    assert {row["id"] for row in staged} == {row["id"] for row in recorded}
    assert len(recorded) == len({row["id"] for row in staged})
    for stream in {(row["entity_type"], row["entity_id"]) for row in recorded}:
        events = [row for row in recorded if (row["entity_type"], row["entity_id"]) == stream]
        assert [row["version"] for row in events] == list(range(1, len(events) + 1))
        if stream[0] != "conversation":
            changes = [row for row in staged if (row["entity_type"], row["entity_id"]) == stream]
            assert [row["id"] for row in events] == list(dict.fromkeys(r["id"] for r in changes))
