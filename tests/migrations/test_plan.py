"""`crm db check` and `crm db sql`: the schema of the plan, in an empty database and a host's."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from alembic import command

from migrations.scripts import FOLDER, statements
from services.local_stack.postgres import binary
from services.runtime.migrations import alembic_config, migrate, offline_sql
from services.runtime.plan_schema import find_plan_differences
from services.runtime.schema_check import WRITE_GUARD, find_problems
from tests.migrations.derived_tables import DERIVED_TABLES

HOST_AUTH = """
CREATE SCHEMA auth;
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE
  AS $$ SELECT (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;
"""

SLUG_KEY = "follow_up_templates_property_id_slug_key"


async def test_a_migrated_database_has_the_schema_of_the_plan_and_its_protections(
    database_url: str,
) -> None:
    assert await _find_all_problems(database_url) == []


@pytest.mark.parametrize(
    ("damage", "message"),
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
        ("ALTER TABLE leads NO FORCE ROW LEVEL SECURITY", "on public.leads is not forced"),
        (
            "GRANT INSERT ON lead_scores TO authenticated",
            "authenticated may INSERT public.lead_scores",
        ),
        ("ALTER TABLE tours DISABLE TRIGGER crm_only_engine", "public.tours lacks the write guard"),
        (
            'DROP POLICY "The claimed role is the real one" ON leads',
            "public.leads lacks the restrictive policy",
        ),
        ("DROP FUNCTION score_lead(uuid)", "function score_lead(p_lead_id uuid) is missing"),
    ],
)
async def test_a_missing_or_different_part_is_named(
    database_url: str, damage: str, message: str
) -> None:
    conn = await asyncpg.connect(database_url)
    await conn.execute(damage)
    await conn.close()
    assert any(message in line for line in await _find_all_problems(database_url))


async def test_a_host_keeps_its_tables_rows_and_auth_functions(empty_url: str) -> None:
    conn = await asyncpg.connect(empty_url)
    await conn.execute(HOST_AUTH)
    for statement in statements((FOLDER / "0001_host.sql").read_text()):
        await conn.execute(statement)
    org_id, property_id, lead_id = uuid4(), uuid4(), uuid4()
    await conn.execute("INSERT INTO organizations (id, name) VALUES ($1, 'Acme')", org_id)
    await conn.execute(
        "INSERT INTO properties (id, org_id, name) VALUES ($1, $2, 'Elm Court')",
        property_id,
        org_id,
    )
    await conn.execute(
        "INSERT INTO leads (id, property_id, first_name) VALUES ($1, $2, 'Ada')",
        lead_id,
        property_id,
    )
    before = await conn.fetchval("SELECT pg_get_functiondef('auth.uid()'::regprocedure)")
    for _ in range(2):
        await asyncio.to_thread(migrate, empty_url)
        assert await _find_all_problems(empty_url) == []
        assert await conn.fetchval("SELECT first_name FROM leads WHERE id = $1", lead_id) == "Ada"
        await asyncio.to_thread(command.downgrade, alembic_config(empty_url), "base")
    assert await conn.fetchval("SELECT first_name FROM leads WHERE id = $1", lead_id) == "Ada"
    assert await conn.fetchval("SELECT pg_get_functiondef('auth.uid()'::regprocedure)") == before
    await conn.close()


async def test_the_exported_script_gives_the_same_schema_with_psql(
    empty_url: str, tmp_path: Path
) -> None:
    script = tmp_path / "schema.sql"
    script.write_text(offline_sql())
    arguments = ["-v", "ON_ERROR_STOP=1", "-q", "-f", str(script), empty_url]
    result = await asyncio.to_thread(
        subprocess.run, [binary("psql"), *arguments], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert await _find_all_problems(empty_url) == []
    await asyncio.to_thread(command.check, alembic_config(empty_url))


async def test_random_bytes_have_the_requested_length_and_differ(database_url: str) -> None:
    conn = await asyncpg.connect(database_url)
    for count in (1, 16, 32, 33, 100):
        rows = await conn.fetch(
            "SELECT gen_random_bytes($1) AS b FROM generate_series(1, 20)", count
        )
        assert {len(row["b"]) for row in rows} == {count}
        if count >= 16:
            assert len({row["b"] for row in rows}) == 20
    await conn.close()


async def test_the_catalog_has_exactly_the_tables_with_a_write_guard(database_url: str) -> None:
    conn = await asyncpg.connect(database_url)
    rows = await conn.fetch(
        "SELECT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
        "WHERE t.tgname = $1 AND c.relnamespace = 'public'::regnamespace",
        WRITE_GUARD,
    )
    await conn.close()
    assert sorted(DERIVED_TABLES) == sorted(row["relname"] for row in rows)


PROTECTIONS = {
    "ALTER TABLE {table} DISABLE ROW LEVEL SECURITY": "row level security on public.{table}",
    "ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY": "row level security on public.{table}",
    "ALTER TABLE {table} DISABLE TRIGGER crm_only_engine": "public.{table} lacks the write guard",
    "REVOKE SELECT ON {table} FROM authenticated": "authenticated may not SELECT public.{table}",
    "REVOKE INSERT ON {table} FROM service_role": "service_role may not INSERT public.{table}",
    "GRANT DELETE ON {table} TO anon": "anon may DELETE public.{table}",
}
"""A statement that removes a protection of a derived table → the message of the check."""


@pytest.mark.parametrize(("statement", "message"), PROTECTIONS.items())
async def test_a_removed_protection_of_any_derived_table_is_named(
    database_url: str, statement: str, message: str
) -> None:
    conn = await asyncpg.connect(database_url)
    for table in DERIVED_TABLES:
        async with _rolled_back(conn):
            await conn.execute(statement.format(table=table))
            problems = await find_problems(conn)
        assert len(problems) == 1
        assert message.format(table=table) in problems[0]
    await conn.close()


async def test_a_derived_table_without_policies_is_named(database_url: str) -> None:
    conn = await asyncpg.connect(database_url)
    for table in DERIVED_TABLES:
        async with _rolled_back(conn):
            policies = await conn.fetch(
                "SELECT policyname FROM pg_policies WHERE tablename = $1", table
            )
            for policy in policies:
                await conn.execute(f'DROP POLICY "{policy["policyname"]}" ON {table}')
            problems = await find_problems(conn)
        assert any(f"table public.{table} has no policy" in problem for problem in problems)
        assert any(f"{table} lacks the restrictive policy" in problem for problem in problems)
    await conn.close()


@asynccontextmanager
async def _rolled_back(conn: asyncpg.Connection) -> AsyncIterator[None]:
    transaction = conn.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


async def _find_all_problems(url: str) -> list[str]:
    conn = await asyncpg.connect(url)
    try:
        return [*await find_plan_differences(conn), *await find_problems(conn)]
    finally:
        await conn.close()
