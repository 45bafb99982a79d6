"""The schema's history: up, down, up again; and what it makes is what the projections declare."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from alembic import command

from migrations.scripts import FOLDER, statements
from services.runtime.migrations import alembic_config, current_heads, migrate
from tests.conftest import with_database

SCHEMA = """
SELECT table_schema || '.' || table_name || '.' || column_name || ' ' || data_type
  || ' ' || is_nullable || ' ' || coalesce(column_default, '')
FROM information_schema.columns
WHERE table_schema IN ('public', 'crm', 'crm_state') AND table_name <> 'alembic_version'
UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname IN ('public', 'crm', 'crm_state')
UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
  FROM pg_constraint WHERE contype <> 'n'
  AND connamespace::regnamespace::text IN ('public', 'crm', 'crm_state')
UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc
  WHERE pronamespace::regnamespace::text IN ('crm') ORDER BY 1
"""


@pytest.fixture
async def empty_url(server_url: str) -> AsyncIterator[str]:
    """A database nothing was ever done to."""
    name = f"crm_empty_{uuid4().hex[:12]}"
    conn = await asyncpg.connect(server_url)
    await conn.execute(f"CREATE DATABASE {name}")
    yield with_database(server_url, name)
    await conn.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await conn.close()


async def test_up_down_and_up_again_gives_the_same_schema(empty_url: str) -> None:
    await asyncio.to_thread(migrate, empty_url)
    first = await _schema(empty_url)
    await asyncio.to_thread(command.downgrade, alembic_config(empty_url), "base")
    await asyncio.to_thread(migrate, empty_url)
    assert await _schema(empty_url) == first


async def test_the_projections_declare_what_the_migrations_make(empty_url: str) -> None:
    await asyncio.to_thread(migrate, empty_url)
    await asyncio.to_thread(command.check, alembic_config(empty_url))


async def test_what_the_host_has_already_is_recorded_once(empty_url: str) -> None:
    conn = await asyncpg.connect(empty_url)
    for statement in statements((FOLDER / "0001_host.sql").read_text()):
        await conn.execute(statement)
    org = uuid4()
    await conn.execute("INSERT INTO organizations (id, name) VALUES ($1, 'Acme')", org)
    await conn.execute("INSERT INTO properties (org_id, name) VALUES ($1, 'House')", org)
    await asyncio.to_thread(migrate, empty_url)
    said = await conn.fetch("SELECT event_type, version FROM crm_events ORDER BY event_type")
    assert [tuple(row) for row in said] == [("organization.recorded", 1), ("property.recorded", 1)]
    await conn.close()


def test_the_history_has_one_head() -> None:
    assert len(current_heads("postgresql://nobody@nowhere/none")) == 1


def test_a_script_is_split_where_its_statements_end() -> None:
    script = "-- a remark; here\nSELECT 1;\nDO $$\nBEGIN\n  PERFORM 1;\nEND $$;\nSELECT ';'\n;\n"
    found = statements(script)
    assert [part.split()[0] for part in found] == ["SELECT", "DO", "SELECT"]


def test_every_script_can_be_taken_back() -> None:
    names = {path.name for path in Path(FOLDER).glob("*.sql")}
    forward = {name for name in names if not name.endswith(".down.sql")}
    assert {f"{name.removesuffix('.sql')}.down.sql" for name in forward} == names - forward


async def _schema(url: str) -> list[str]:
    conn = await asyncpg.connect(url)
    rows = await conn.fetch(SCHEMA)
    await conn.close()
    return [row[0] for row in rows]
