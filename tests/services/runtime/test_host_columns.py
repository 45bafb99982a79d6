"""Columns and constraints of the host that the core's rows do not fit: each is found and mended."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from services.cli.main import FAILED, OK, run
from services.runtime.core_roles import MigrationRefused
from services.runtime.host_columns import find_column_problems
from services.runtime.migrations import migrate
from services.runtime.schema_readiness import schema_check
from tests.host import database, make_tables

DAMAGE = {
    "ALTER TABLE messages ALTER COLUMN role DROP NOT NULL": (
        "column public.messages.role can be empty, and the core needs a value"
    ),
    "ALTER TABLE leads ADD COLUMN company text NOT NULL": (
        "column public.leads.company of the host is NOT NULL without a default"
    ),
    "ALTER TABLE leads ALTER COLUMN last_name SET NOT NULL": (
        "column public.leads.last_name is NOT NULL, and the core stores rows without a value"
    ),
    "ALTER TABLE leads ALTER COLUMN bedrooms TYPE int USING 2": (
        "column public.leads.bedrooms has the type integer, and the core stores text"
    ),
    "ALTER TABLE leads ALTER COLUMN source TYPE varchar(20)": (
        "column public.leads.source has the type character varying(20)"
    ),
    "CREATE TYPE channels AS ENUM ('widget', 'sms'); ALTER TABLE conversations "
    "ALTER COLUMN channel DROP DEFAULT, ALTER COLUMN channel TYPE channels USING 'sms'": (
        "column public.conversations.channel has the type channels, and the core stores text"
    ),
    "ALTER TABLE leads ADD CONSTRAINT known CHECK (status IN ('new', 'contacted', 'lost'))": (
        "constraint known on public.leads refuses status tour_booked, toured, applied, qualified"
    ),
    "ALTER TABLE messages ADD CONSTRAINT known CHECK (role <> 'system')": (
        "constraint known on public.messages refuses role system"
    ),
    "ALTER TABLE leads ADD CONSTRAINT reachable CHECK (email IS NOT NULL OR phone IS NOT NULL)": (
        "constraint reachable on public.leads refuses the row of an erased person, which has no "
        "email, phone"
    ),
    "ALTER TABLE messages ADD CONSTRAINT long CHECK (length(content) > 10)": (
        "constraint long on public.messages refuses the row of an erased person"
    ),
    "CREATE UNIQUE INDEX one_address ON leads (property_id, email)": (
        "one_address makes (property_id, email) of public.leads unique"
    ),
    "ALTER TABLE leads ADD CONSTRAINT one_phone UNIQUE (phone)": (
        "one_phone makes (phone) of public.leads unique"
    ),
}
"""Statement that gives the host a column → the problem that is reported."""
HARMLESS = [
    "ALTER TABLE leads ADD COLUMN company text NOT NULL DEFAULT 'none'",
    "ALTER TABLE leads ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY",
    "ALTER TABLE leads ADD COLUMN score int",
    "ALTER TABLE leads ALTER COLUMN property_id SET NOT NULL",
    "ALTER TABLE leads ALTER COLUMN status SET NOT NULL",
    "ALTER TABLE leads ADD CHECK (email LIKE '%@%'), ADD CHECK (email <> phone OR source <> '')",
    "ALTER TABLE leads ALTER COLUMN email TYPE varchar",
    "ALTER TABLE leads ADD COLUMN code text; CREATE UNIQUE INDEX codes ON leads (code)",
    "ALTER TABLE messages ADD CONSTRAINT known CHECK (role IN ('user', 'assistant', 'system'))",
]


@pytest.fixture
async def conn(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def test_a_migrated_database_has_no_problem(conn: asyncpg.Connection) -> None:
    assert await find_column_problems(conn) == []


@pytest.mark.parametrize(("damage", "message"), DAMAGE.items())
async def test_a_difference_is_found_and_its_statement_mends_it(
    conn: asyncpg.Connection, damage: str, message: str
) -> None:
    await conn.execute(damage)
    [problem] = await find_column_problems(conn)
    assert message in str(problem)
    await conn.execute(problem.statement)
    assert await find_column_problems(conn) == []


async def test_a_process_is_not_ready_while_its_rows_do_not_fit(
    conn: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    assert await schema_check(pool)() is None
    await conn.execute("ALTER TABLE leads ADD COLUMN company text NOT NULL")
    assert "run `ALTER TABLE public.leads" in str(await schema_check(pool)())


@pytest.mark.parametrize("statement", HARMLESS)
async def test_a_column_of_the_host_that_disturbs_nothing_is_no_problem(
    conn: asyncpg.Connection, statement: str
) -> None:
    await conn.execute(statement)
    assert await find_column_problems(conn) == []


async def test_a_type_that_the_core_cannot_use_is_refused_before_the_migration(
    server_url: str,
) -> None:
    async with database(server_url) as url:
        connection = await asyncpg.connect(url)
        await make_tables(connection)
        await connection.execute(
            "CREATE TYPE statuses AS ENUM ('new', 'lost'); ALTER TABLE leads "
            "ALTER COLUMN status DROP DEFAULT, ALTER COLUMN status TYPE statuses USING 'new'"
        )
        with pytest.raises(MigrationRefused, match=r"leads\.status has the type statuses") as error:
            await _migrate(url)
        assert await connection.fetchval("SELECT to_regclass('crm_events') IS NULL")
        statement = str(error.value).partition("run `")[2].partition("`")[0]
        await connection.execute(statement)
        await _migrate(url)
        await connection.close()


async def _migrate(url: str) -> None:
    await asyncio.to_thread(migrate, url)


async def test_the_commands_report_the_statement(
    conn: asyncpg.Connection,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Any,
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("CRM_HOME", str(tmp_path))
    await conn.execute("ALTER TABLE leads ADD COLUMN company text NOT NULL")
    statement = "ALTER TABLE public.leads ALTER COLUMN company DROP NOT NULL"
    assert await asyncio.to_thread(run, ["db", "check"]) == FAILED
    assert statement in capsys.readouterr().out
    assert await asyncio.to_thread(run, ["adopt", "--dry-run"]) == OK
    assert statement in capsys.readouterr().err.replace("\n", " ")
    assert await asyncio.to_thread(run, ["adopt", "--open"]) == FAILED
    assert statement in capsys.readouterr().err.replace("\n", " ")
    await conn.execute(statement)
    assert await asyncio.to_thread(run, ["adopt", "--open"]) == OK
