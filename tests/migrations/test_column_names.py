"""Migration 0017 renames columns of a database with data; nothing has to be rebuilt."""

import asyncio

import asyncpg
import pytest
from alembic import command

from projections.engine.rebuild import OLD
from services.runtime.migrations import alembic_config, migrate
from tests.projections.engine.test_rebuild import make_history, rebuild_of

COLUMNS = """
SELECT c.oid::regclass::text || '.' || a.attname
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relname IN ('checkpoints', 'parked', 'lead_score_state') AND c.relkind = 'r'
  AND a.attname IN ('unit', 'projection_group', 'facts', 'inputs') ORDER BY 1
"""
BEFORE = [
    "crm.checkpoints.unit", "crm.parked.unit", f"{OLD}.lead_score_state.facts",
    "crm_state.lead_score_state.facts",
]  # fmt: skip
AFTER = [
    "crm.checkpoints.projection_group", "crm.parked.projection_group",
    f"{OLD}.lead_score_state.inputs", "crm_state.lead_score_state.inputs",
]  # fmt: skip


async def test_a_database_with_the_former_names_is_migrated_and_equals_a_rebuild(
    owner_pool: asyncpg.Pool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A build of that revision stored payloads in clear, and later migrations change them.
    monkeypatch.setattr("events.sealed_payload.seal", lambda _name, _id, clear, *_: clear)
    world = await make_history(owner_pool)
    assert (await rebuild_of(owner_pool).rebuild(repair=False)).swapped  # makes former tables
    await asyncio.to_thread(command.downgrade, alembic_config(database_url), "0016")
    assert await _read_columns(owner_pool) == sorted(BEFORE)
    await asyncio.to_thread(migrate, database_url)
    assert await _read_columns(owner_pool) == sorted(AFTER)
    await owner_pool.expire_connections()
    await world.append(world.new(world.captured(email="new@example.com")))
    await world.project()
    assert await world.count("leads") == 4
    assert (await rebuild_of(owner_pool).verify()).equal


async def _read_columns(pool: asyncpg.Pool) -> list[str]:
    return sorted(record[0] for record in await pool.fetch(COLUMNS))
