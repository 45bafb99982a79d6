"""Migrations: upgrade, downgrade and upgrade again, and the schema of the projections."""

import asyncio
from pathlib import Path
from uuid import uuid4

import asyncpg
from alembic import command

from migrations.scripts import FOLDER, statements
from services.runtime.migrations import alembic_config, current_heads, migrate

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


async def test_upgrade_downgrade_and_upgrade_give_the_same_schema(empty_url: str) -> None:
    await asyncio.to_thread(migrate, empty_url)
    first = await _schema(empty_url)
    await asyncio.to_thread(command.downgrade, alembic_config(empty_url), "base")
    await asyncio.to_thread(migrate, empty_url)
    assert await _schema(empty_url) == first


async def test_the_migrations_create_the_tables_that_the_projections_declare(
    empty_url: str,
) -> None:
    await asyncio.to_thread(migrate, empty_url)
    await asyncio.to_thread(command.check, alembic_config(empty_url))


async def test_existing_host_rows_are_recorded_once(empty_url: str) -> None:
    conn = await asyncpg.connect(empty_url)
    for statement in statements((FOLDER / "0001_host.sql").read_text()):
        await conn.execute(statement)
    org = uuid4()
    await conn.execute("INSERT INTO organizations (id, name) VALUES ($1, 'Acme')", org)
    await conn.execute("INSERT INTO properties (org_id, name) VALUES ($1, 'Elm Court')", org)
    await asyncio.to_thread(migrate, empty_url)
    rows = await conn.fetch("SELECT event_type FROM crm.staged_changes ORDER BY event_type")
    assert [row["event_type"] for row in rows] == ["organization.recorded", "property.recorded"]
    await conn.close()


def test_the_migrations_have_one_head() -> None:
    assert len(current_heads("postgresql://nobody@nowhere/none")) == 1


def test_a_script_is_split_at_the_ends_of_statements() -> None:
    script = "-- a remark; here\nSELECT 1;\nDO $$\nBEGIN\n  PERFORM 1;\nEND $$;\nSELECT ';'\n;\n"
    assert [statement.split()[0] for statement in statements(script)] == ["SELECT", "DO", "SELECT"]


def test_every_script_has_a_downgrade() -> None:
    names = {path.name for path in Path(FOLDER).glob("*.sql")}
    upgrades = {name for name in names if not name.endswith(".down.sql")}
    assert {f"{name.removesuffix('.sql')}.down.sql" for name in upgrades} == names - upgrades


async def _schema(url: str) -> list[str]:
    conn = await asyncpg.connect(url)
    rows = await conn.fetch(SCHEMA)
    await conn.close()
    return [row[0] for row in rows]
