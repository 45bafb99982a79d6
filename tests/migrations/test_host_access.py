"""Migration of a living host database: its own roles keep their access, or nothing happens."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from services.cli.main import FAILED, OK, run
from services.runtime.core_roles import MigrationRefused
from services.runtime.migrations import migrate
from tests.host import HostPlatform, database, make_tables
from tests.services.adoption.conftest import ROWS

SHARED = ("leads", "conversations", "messages")
REFERENCE = ("organizations", "properties", "profiles")


@dataclass(frozen=True)
class LivingHost:
    """A host whose application owns its tables without bypassing row level security.

    `app` owns database and tables; `reader` has SELECT on all of them.
    """

    host: HostPlatform
    app: str
    reader: str
    app_url: str
    reader_url: str
    superuser_url: str

    async def execute(self, *statements: str, url: str | None = None) -> list[str]:
        """Execute statements as the superuser or at another address; return their status."""
        conn = await asyncpg.connect(url or self.superuser_url)
        try:
            return [await conn.execute(statement) for statement in statements]
        finally:
            await conn.close()

    async def counts(self, url: str, tables: tuple[str, ...] = (*REFERENCE, *SHARED)) -> list[int]:
        conn = await asyncpg.connect(url)
        try:
            return [await conn.fetchval(f"SELECT count(*) FROM {table}") for table in tables]
        finally:
            await conn.close()


def login_url(url: str, name: str) -> str:
    parts = urlsplit(url)
    server = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{name}:{name}@{server}"))


@pytest.fixture
async def living(server_url: str, template_database: str) -> AsyncIterator[LivingHost]:
    """Yield a host with rows before the installation; its roles exist for this test only."""
    suffix = uuid4().hex[:8]
    app, reader = f"crm_app_{suffix}", f"crm_reader_{suffix}"
    host = HostPlatform()
    async with database(server_url) as url:
        conn = await asyncpg.connect(url)
        for name in (app, reader):
            await conn.execute(
                f"CREATE ROLE {name} LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD '{name}'"
            )
        await conn.execute(f"ALTER DATABASE {urlsplit(url).path[1:]} OWNER TO {app}")
        await conn.execute(f"GRANT anon, authenticated, service_role TO {app}")
        await conn.execute(f"SET ROLE {app}")
        await make_tables(conn)
        await conn.execute("ALTER TABLE organizations ADD COLUMN IF NOT EXISTS plan text")
        await host.insert_rows(conn, ROWS)
        await conn.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}")
        await conn.close()
        yield LivingHost(host, app, reader, login_url(url, app), login_url(url, reader), url)
    conn = await asyncpg.connect(server_url)
    await conn.execute(f"DROP ROLE {app}; DROP ROLE {reader}")
    await conn.close()


BEFORE = [1, 2, 0, ROWS, ROWS, ROWS]


async def test_migrating_without_a_choice_says_who_would_be_blind_and_changes_nothing(
    living: LivingHost,
) -> None:
    with pytest.raises(MigrationRefused) as refusal:
        await asyncio.to_thread(migrate, living.app_url)
    text = str(refusal.value)
    assert f"{living.app} (owner of conversations, leads, messages)" in text
    assert f"{living.reader} (user of " in text
    for choice in ("policies", "bypass", "unforced"):
        assert f"--host-access {choice}" in text
    assert await living.counts(living.app_url) == BEFORE
    assert await living.counts(living.reader_url) == BEFORE
    conn = await asyncpg.connect(living.superuser_url)
    assert await conn.fetchval("SELECT to_regclass('crm_events') IS NULL")
    assert not await conn.fetchval("SELECT relrowsecurity FROM pg_class WHERE relname = 'leads'")
    await conn.close()


@pytest.mark.parametrize("is_superuser", [False, True], ids=["owner", "superuser"])
async def test_with_policies_the_roles_of_the_host_see_and_write_as_before(
    living: LivingHost, is_superuser: bool
) -> None:
    url = living.superuser_url if is_superuser else living.app_url
    await asyncio.to_thread(migrate, url, host_access="policies")
    assert await living.counts(living.app_url) == BEFORE
    assert await living.counts(living.reader_url) == BEFORE
    await write_as_host(living)
    # A repetition, and a later migration without a choice, change nothing.
    await asyncio.to_thread(migrate, url)
    await asyncio.to_thread(migrate, url, host_access="policies")
    assert await living.counts(living.app_url) == [1, 2, 0, ROWS + 1, ROWS + 1, ROWS + 1]


async def test_unforced_row_level_security_is_enough_for_an_owner_only(living: LivingHost) -> None:
    with pytest.raises(MigrationRefused, match=f"{living.reader} is not the owner of leads"):
        await asyncio.to_thread(migrate, living.app_url, host_access="unforced")
    await living.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {living.reader}")
    await asyncio.to_thread(migrate, living.app_url, host_access="unforced")
    assert await living.counts(living.app_url) == BEFORE
    await write_as_host(living)
    await asyncio.to_thread(migrate, living.app_url)


async def test_bypass_needs_a_superuser_and_is_the_statement_to_run(living: LivingHost) -> None:
    with pytest.raises(MigrationRefused, match=f'ALTER ROLE "{living.app}" BYPASSRLS'):
        await asyncio.to_thread(migrate, living.app_url, host_access="bypass")
    assert await living.counts(living.app_url) == BEFORE
    await asyncio.to_thread(migrate, living.superuser_url, host_access="bypass")
    assert await living.counts(living.app_url) == BEFORE
    assert await living.counts(living.reader_url) == BEFORE
    await write_as_host(living)


async def write_as_host(living: LivingHost) -> None:
    """Insert and update as the host's application: each write is one row and is staged."""
    [updated, *inserted] = await living.execute(
        f"UPDATE leads SET notes = 'called' WHERE id = '{living.host.leads[0]}'",
        "WITH lead AS (INSERT INTO leads (property_id) SELECT id FROM properties LIMIT 1 "
        "RETURNING id, property_id), conversation AS (INSERT INTO conversations "
        "(lead_id, property_id) SELECT id, property_id FROM lead RETURNING id) "
        "INSERT INTO messages (conversation_id, role, content) "
        "SELECT id, 'user', 'hi' FROM conversation",
        url=living.app_url,
    )
    assert (updated, inserted) == ("UPDATE 1", ["INSERT 0 1"])
    conn = await asyncpg.connect(living.superuser_url)
    rows = await conn.fetch(
        "SELECT DISTINCT event_type FROM crm.staged_changes WHERE actor = 'host' "
        "AND entity_type IN ('lead', 'conversation')"
    )
    await conn.close()
    assert {row[0] for row in rows} == {
        "lead.adopted", "conversation.adopted", "conversation.message_adopted"
    }  # fmt: skip


async def test_a_grant_to_public_has_no_policy(living: LivingHost) -> None:
    await living.execute("GRANT SELECT ON leads TO PUBLIC")
    with pytest.raises(MigrationRefused, match="leads is granted to PUBLIC"):
        await asyncio.to_thread(migrate, living.app_url, host_access="policies")


async def test_a_role_of_which_clients_are_members_has_no_policy(living: LivingHost) -> None:
    await living.execute(f"GRANT {living.reader} TO authenticated")
    with pytest.raises(MigrationRefused, match=f"authenticated is a member of {living.reader}"):
        await asyncio.to_thread(migrate, living.app_url, host_access="policies")
    await living.execute(f"REVOKE {living.reader} FROM authenticated")


async def test_a_missing_membership_stops_the_migration_with_the_statement_to_run(
    living: LivingHost,
) -> None:
    await living.execute(f"REVOKE service_role FROM {living.app}")
    with pytest.raises(MigrationRefused, match=f'GRANT service_role TO "{living.app}"'):
        await asyncio.to_thread(migrate, living.app_url, host_access="policies")


async def test_a_migration_by_another_role_than_the_owner_is_refused(living: LivingHost) -> None:
    await living.execute(f"GRANT anon, authenticated, service_role TO {living.reader}")
    with pytest.raises(MigrationRefused, match=f'GRANT "{living.app}" TO "{living.reader}"'):
        await asyncio.to_thread(migrate, living.reader_url)


def read_check(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the problems of `crm db check`.

    Its exit code also depends on events that wait for a relay, and none runs here.
    """
    capsys.readouterr()
    run(["db", "check"])
    return capsys.readouterr().out


def test_the_command_prints_the_refusal_and_takes_the_choice(
    living: LivingHost,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    monkeypatch.setenv("CRM_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("DATABASE_URL", living.app_url)
    assert run(["db", "migrate"]) == FAILED
    assert "--host-access policies" in capsys.readouterr().err
    assert run(["db", "migrate", "--host-access", "policies"]) == OK
    assert living.app not in read_check(capsys)
    asyncio.run(living.execute(f'DROP POLICY "{living.app} keeps its access" ON leads'))
    assert run(["db", "check"]) == FAILED
    assert f"{living.app} (owner of leads) has no policy" in capsys.readouterr().out
    assert run(["db", "migrate", "--host-access", "unforced"]) == OK
    assert living.app not in read_check(capsys)
    asyncio.run(living.execute(f"REVOKE anon FROM {living.app}"))
    assert run(["db", "check"]) == FAILED
    assert f'GRANT anon TO "{living.app}"' in capsys.readouterr().out
