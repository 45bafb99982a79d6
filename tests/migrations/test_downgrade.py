"""`crm db downgrade` on a filled database: events and rows survive the way back and forth.

Encrypted events and keyed hashes cannot go back: older versions cannot use them.
"""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from events.claims import EMAIL, contact_value
from events.consents import ConsentChannel
from services.application.contact_opt_outs import store_contact_decision
from services.cli.main import FAILED, OK, run
from services.runtime.migrations import OLDEST_DOWNGRADE, find_revision
from tests.host import rebuild_of
from tests.world import make_world


async def test_a_filled_database_goes_back_and_forth(
    owner_pool: asyncpg.Pool,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("CRM_HOME", str(tmp_path))
    world = await make_world(owner_pool)
    for _ in range(5):
        lead = world.captured(email=None, first_name=None)
        await world.append(world.new(lead), world.new(world.engagement(lead.lead_id)))
    await world.project()
    events = await world.count("crm_events")
    leads = await owner_pool.fetch("SELECT id, source, status FROM leads ORDER BY id")
    assert await asyncio.to_thread(run, ["db", "downgrade", OLDEST_DOWNGRADE]) == OK, (
        capsys.readouterr().err
    )
    assert OLDEST_DOWNGRADE in capsys.readouterr().err
    assert await world.count("crm_events") == events
    assert await owner_pool.fetch("SELECT id, source, status FROM leads ORDER BY id") == leads
    assert await asyncio.to_thread(run, ["db", "migrate"]) == OK, capsys.readouterr().err
    await owner_pool.expire_connections()
    assert await world.count("crm_events") == events
    assert await owner_pool.fetch("SELECT id, source, status FROM leads ORDER BY id") == leads
    assert await asyncio.to_thread(run, ["db", "check"]) == OK, capsys.readouterr().out
    result = await rebuild_of(owner_pool).rebuild(repair=True)
    assert result.swapped
    assert (await rebuild_of(owner_pool).verify()).equal


@pytest.mark.parametrize("stored", ["event", "claim", "opt-out"])
async def test_a_database_with_encrypted_events_or_keyed_hashes_does_not_go_back(
    owner_pool: asyncpg.Pool,
    database_url: str,
    stored: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("CRM_HOME", str(tmp_path))
    world = await make_world(owner_pool)
    match stored:
        case "event":
            await world.append(world.new(world.captured(email=None)))
        case "claim":
            await owner_pool.execute(
                "INSERT INTO crm.claims (kind, scope, value, owner) VALUES ($1, $2, $3, $2)",
                EMAIL, world.properties[0], contact_value("ada@example.com", b"key"),
            )  # fmt: skip
        case _:
            async with owner_pool.acquire() as conn:
                await store_contact_decision(
                    conn, world.org_id, ConsentChannel.EMAIL, "ada@example.com", False,
                    world.tick(), None,
                )  # fmt: skip
    assert await asyncio.to_thread(run, ["db", "downgrade", "0047"]) == FAILED
    assert "restore a backup from before the upgrade instead" in capsys.readouterr().err
    newest = await owner_pool.fetchval("SELECT version_num FROM alembic_version")
    assert newest == find_revision("head")


@pytest.mark.parametrize("revision", ["0001", "0016", "head", "nonsense"])
async def test_a_downgrade_that_loses_the_log_or_goes_nowhere_is_refused(
    database_url: str,
    revision: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("CRM_HOME", str(tmp_path))
    assert await asyncio.to_thread(run, ["db", "downgrade", revision]) == FAILED
    conn = await asyncpg.connect(database_url)
    version = await conn.fetchval("SELECT version_num FROM alembic_version")
    assert version == find_revision("head")
    await conn.close()
