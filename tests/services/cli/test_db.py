"""`crm db check` and `crm status`: a missing table or protection is reported by its name."""

import asyncio
import os
from pathlib import Path

import asyncpg
import orjson
import pytest
from alembic import command

from services.cli.main import FAILED, OK, run
from services.runtime.migrations import alembic_config
from services.runtime.stack_state import StackState, write_state

POLICY = '"Members read their org lead consents"'


@pytest.fixture(autouse=True)
def database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str) -> str:
    """Return the address of the database that the commands use."""
    monkeypatch.setenv("CRM_HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", database_url)
    return database_url


def execute(database_url: str, statement: str) -> None:
    async def work() -> None:
        conn = await asyncpg.connect(database_url)
        await conn.execute(statement)
        await conn.close()

    asyncio.run(work())


def test_a_migrated_database_has_no_problems(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["db", "check", "--json"]) == OK
    assert orjson.loads(capsys.readouterr().out) == {
        "equal": True, "differences": [], "warnings": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("DROP TABLE lead_consents", "table public.lead_consents is missing"),
        ("DROP TABLE crm_state.widget_keys", "table crm_state.widget_keys is missing"),
        ("DROP TABLE profiles CASCADE", "table public.profiles is missing"),
        (
            "ALTER TABLE lead_consents DROP COLUMN keyword",
            "column public.lead_consents.keyword is missing",
        ),
        (
            "ALTER TABLE lead_consents NO FORCE ROW LEVEL SECURITY",
            "row level security on public.lead_consents is not forced",
        ),
        (f"DROP POLICY {POLICY} ON lead_consents", "table public.lead_consents has no policy"),
        (
            'DROP POLICY "The claimed role is the real one" ON lead_consents',
            "table public.lead_consents lacks the restrictive policy",
        ),
        (
            "DROP TRIGGER crm_only_engine ON lead_consents",
            "table public.lead_consents lacks the write guard",
        ),
        (
            "ALTER TABLE lead_consents ENABLE TRIGGER crm_only_engine",
            "table public.lead_consents lacks the write guard",
        ),
        (
            "DROP TRIGGER crm_only_engine ON crm_state.widget_keys",
            "table crm_state.widget_keys lacks the write guard",
        ),
        (
            "REVOKE SELECT ON lead_consents FROM authenticated",
            "authenticated may not SELECT public.lead_consents",
        ),
        (
            "REVOKE UPDATE ON lead_consents FROM service_role",
            "service_role may not UPDATE public.lead_consents",
        ),
        ("REVOKE SELECT ON messages FROM anon", "anon may not SELECT public.messages"),
        (
            "REVOKE SELECT ON properties FROM service_role",
            "service_role may not SELECT public.properties",
        ),
        (
            "GRANT INSERT ON lead_consents TO authenticated",
            "authenticated may INSERT public.lead_consents",
        ),
        (
            "GRANT TRUNCATE ON lead_consents TO anon",
            "anon may TRUNCATE public.lead_consents",
        ),
        (
            "DROP TRIGGER crm_protect_membership ON profiles",
            "table public.profiles lacks the trigger crm_protect_membership",
        ),
        (
            "ALTER TABLE profiles ENABLE TRIGGER crm_protect_membership",
            "table public.profiles lacks the trigger crm_protect_membership",
        ),
        (
            "GRANT UPDATE ON properties TO anon; ALTER TABLE properties DISABLE ROW LEVEL SECURITY",
            "anon may UPDATE public.properties and row level security is off",
        ),
    ],
)
def test_a_missing_table_or_protection_fails_the_check_and_is_named(
    capsys: pytest.CaptureFixture[str], database: str, statement: str, problem: str
) -> None:
    execute(database, statement)
    assert run(["db", "check"]) == FAILED
    output = capsys.readouterr()
    assert problem in output.out
    assert "problems" in output.err


@pytest.mark.parametrize(
    ("statement", "warning"),
    [
        (
            (
                "GRANT UPDATE (full_name) ON profiles TO authenticated; "
                "CREATE POLICY own ON profiles FOR UPDATE TO authenticated USING (id = auth.uid())"
            ),
            'authenticated may UPDATE public.profiles by policy "own"',
        ),
        (
            "GRANT INSERT ON organizations TO anon; CREATE POLICY all_of_them ON organizations",
            'anon may INSERT public.organizations by policy "all_of_them"',
        ),
        (
            "GRANT TRUNCATE ON properties TO authenticated",
            "authenticated may TRUNCATE public.properties, which no policy limits",
        ),
        ("GRANT DELETE ON properties TO authenticated", ""),  # row level security denies it
    ],
)
def test_a_write_that_the_host_lets_clients_do_is_a_warning(
    capsys: pytest.CaptureFixture[str], database: str, statement: str, warning: str
) -> None:
    execute(database, statement)
    assert run(["db", "check", "--json"]) == OK
    warnings = orjson.loads(capsys.readouterr().out)["warnings"]
    assert [warning in line for line in warnings] == [True] * bool(warning)


@pytest.mark.parametrize(
    ("revision", "words"),
    [
        ("0003", "is newer than 0003: nothing was changed"),
        ("9999", "no revision '9999'"),
        ("-1", "no revision '-1'"),
    ],
)
def test_migrate_never_says_that_it_moved_when_it_did_not(
    capsys: pytest.CaptureFixture[str], database: str, revision: str, words: str
) -> None:
    assert run(["db", "migrate", f"--revision={revision}"]) == FAILED
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    execute(database, "UPDATE alembic_version SET version_num = '9999'")
    assert run(["db", "migrate"]) == FAILED
    assert "which this build does not have" in capsys.readouterr().err


def test_migrate_moves_to_the_revision_and_names_it(
    capsys: pytest.CaptureFixture[str], database: str
) -> None:
    run_downgrade(database, "0010")
    assert run(["db", "migrate", "--revision", "0012"]) == OK
    assert "the schema is at 0012" in capsys.readouterr().err
    assert run(["db", "migrate", "--revision", "0012"]) == OK


def run_downgrade(database: str, revision: str) -> None:
    command.downgrade(alembic_config(database), revision)


def test_status_names_a_missing_table_of_the_running_stack(
    capsys: pytest.CaptureFixture[str], database: str, tmp_path: Path
) -> None:
    write_state(tmp_path, StackState(os.getpid(), {"database_url": database}))
    run(["status", "--json"])
    assert orjson.loads(capsys.readouterr().out) == []
    execute(database, "DROP TABLE lead_consents")
    assert run(["status", "--json"]) == FAILED
    [row] = orjson.loads(capsys.readouterr().out)
    assert (row["process"], row["status"]) == ("database", "unready")
    assert "table public.lead_consents is missing" in row["problems"]["schema"]


def test_status_says_that_the_database_cannot_be_reached(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    settings = {"database_url": "postgresql://crm:secret@127.0.0.1:1/crm"}
    write_state(tmp_path, StackState(os.getpid(), settings))
    assert run(["status", "--json"]) == FAILED
    output = capsys.readouterr().out
    assert "cannot be checked" in output
    assert "secret" not in output
