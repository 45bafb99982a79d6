"""`crm db check` and `crm db sql`: the plan's schema, on an empty database and on a host's."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from alembic import command

from migrations.scripts import FOLDER, statements
from services.local_stack.postgres import binary
from services.runtime.migrations import alembic_config, migrate, offline_sql
from services.runtime.schema_check import DERIVED, differences, unguarded
from tests.conftest import with_database

HOST_AUTH = """
CREATE SCHEMA auth;
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE
  AS $$ SELECT (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;
"""

SLUG_KEY = "follow_up_templates_property_id_slug_key"


@pytest.fixture
async def bare(server_url: str) -> AsyncIterator[str]:
    """A database nothing was ever done to."""
    name = f"crm_bare_{uuid4().hex[:12]}"
    conn = await asyncpg.connect(server_url)
    await conn.execute(f"CREATE DATABASE {name}")
    yield with_database(server_url, name)
    await conn.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await conn.close()


async def test_a_migrated_database_has_the_plans_schema_and_its_guards(database_url: str) -> None:
    assert await _found(database_url) == []


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("ALTER TABLE tours DROP COLUMN notes", "column tours.notes is missing"),
        ("ALTER TABLE tours ALTER tour_type SET DEFAULT 'x'", "should be text default 'in_person'"),
        ("ALTER TABLE tours ALTER tour_type TYPE varchar", "column tours.tour_type is character"),
        ("ALTER TABLE tours ALTER tour_date DROP NOT NULL", "should be date not null"),
        ("DROP INDEX idx_lead_workflows_next_action", "idx_lead_workflows_next_action is missing"),
        (
            "DROP INDEX idx_tours_date; CREATE INDEX idx_tours_date ON tours(tour_time)",
            "index idx_tours_date is",
        ),
        ("ALTER TABLE leads DROP COLUMN updated_at", "column leads.updated_at is missing"),
        (
            f"ALTER TABLE follow_up_templates DROP CONSTRAINT {SLUG_KEY}",
            "constraint on follow_up_templates: UNIQUE (property_id, slug) is missing",
        ),
        (
            "ALTER TABLE widget_sessions DROP CONSTRAINT widget_sessions_lead_id_fkey",
            "ON DELETE SET NULL is missing",
        ),
        ('DROP POLICY "Users view their org tours" ON tours', "is missing"),
        (
            'ALTER POLICY "Users view their org tours" ON tours USING (true)',
            'policy "Users view their org tours" on tours is as PERMISSIVE',
        ),
        ("ALTER TABLE tours DISABLE ROW LEVEL SECURITY", "row level security on tours"),
        ("ALTER TABLE leads NO FORCE ROW LEVEL SECURITY", "on leads is not forced"),
        ("GRANT INSERT ON lead_scores TO authenticated", "authenticated may INSERT lead_scores"),
        ("ALTER TABLE tours DISABLE TRIGGER crm_only_engine", "tours can be written past"),
        ('DROP POLICY "The claimed role is the real one" ON leads', "leads lacks the policy"),
        ("DROP FUNCTION score_lead(uuid)", "function score_lead(p_lead_id uuid) is missing"),
    ],
)
async def test_what_is_missing_or_different_is_named(
    database_url: str, damage: str, said: str
) -> None:
    conn = await asyncpg.connect(database_url)
    await conn.execute(damage)
    await conn.close()
    assert any(said in line for line in await _found(database_url))


async def test_a_host_with_tables_rows_and_its_own_auth_keeps_them(bare: str) -> None:
    conn = await asyncpg.connect(bare)
    await conn.execute(HOST_AUTH)
    for statement in statements((FOLDER / "0001_host.sql").read_text()):
        await conn.execute(statement)
    org, host_property, lead = uuid4(), uuid4(), uuid4()
    await conn.execute("INSERT INTO organizations (id, name) VALUES ($1, 'Acme')", org)
    await conn.execute(
        "INSERT INTO properties (id, org_id, name) VALUES ($1, $2, 'House')", host_property, org
    )
    await conn.execute(
        "INSERT INTO leads (id, property_id, first_name) VALUES ($1, $2, 'Ada')",
        lead,
        host_property,
    )
    before = await conn.fetchval("SELECT pg_get_functiondef('auth.uid()'::regprocedure)")
    for _ in range(2):
        await asyncio.to_thread(migrate, bare)
        assert await _found(bare) == []
        assert await conn.fetchval("SELECT first_name FROM leads WHERE id = $1", lead) == "Ada"
        await asyncio.to_thread(command.downgrade, alembic_config(bare), "base")
    assert await conn.fetchval("SELECT first_name FROM leads WHERE id = $1", lead) == "Ada"
    assert await conn.fetchval("SELECT pg_get_functiondef('auth.uid()'::regprocedure)") == before
    await conn.close()


async def test_the_exported_script_applied_by_psql_gives_the_same_schema(
    bare: str, tmp_path: Path
) -> None:
    script = tmp_path / "schema.sql"
    script.write_text(offline_sql())
    told = ["-v", "ON_ERROR_STOP=1", "-q", "-f", str(script), bare]
    done = await asyncio.to_thread(
        subprocess.run, [binary("psql"), *told], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert await _found(bare) == []
    await asyncio.to_thread(command.check, alembic_config(bare))


async def test_random_bytes_are_as_many_as_asked_and_never_the_same(database_url: str) -> None:
    conn = await asyncpg.connect(database_url)
    for count in (1, 16, 32, 33, 100):
        found = await conn.fetch(
            "SELECT gen_random_bytes($1) AS b FROM generate_series(1, 20)", count
        )
        assert {len(row["b"]) for row in found} == {count}
        if count >= 16:
            assert len({row["b"] for row in found}) == 20
    await conn.close()


def test_the_list_of_derived_tables_is_whole() -> None:
    assert len(DERIVED) == len(set(DERIVED)) == 15


async def _found(url: str) -> list[str]:
    conn = await asyncpg.connect(url)
    try:
        return [*await differences(conn), *await unguarded(conn)]
    finally:
        await conn.close()
