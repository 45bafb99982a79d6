"""The database role of a caller, and the exact denial of what the role may not do."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from services.api.auth.console_users import ConsoleUser
from services.api.auth.row_security import read_as
from services.api.auth.visitors import Visitor
from services.api.reading import CompiledQuery
from services.runtime.database import pooled
from services.runtime.settings import Settings
from tests.services.api.site import Site

CURRENT_ROLE = "SELECT current_user::text"
CONSOLE_USER = ConsoleUser(uuid4(), uuid4(), "admin")
VISITOR = Visitor(uuid4(), uuid4(), "v_1")


@pytest.fixture
async def narrow_pool(settings: Settings) -> AsyncIterator[asyncpg.Pool]:
    """Open a pool with one connection, which every transaction of the test shares."""
    async with pooled(settings, "test", size=1) as narrow_pool:
        yield narrow_pool


@pytest.mark.parametrize(
    ("caller", "role"),
    [(CONSOLE_USER, "authenticated"), (VISITOR, "anon")],
    ids=["user", "visitor"],
)
async def test_a_caller_has_its_database_role_until_its_transaction_ends(
    narrow_pool: asyncpg.Pool, caller: ConsoleUser | Visitor, role: str
) -> None:
    async with read_as(narrow_pool, caller.claims) as conn:
        assert await conn.scalar(CompiledQuery(CURRENT_ROLE)) == role
        assert await conn.scalar(CompiledQuery("SELECT auth.role()")) == role
    async with narrow_pool.acquire() as pooled_conn:
        assert await pooled_conn.fetchval(CURRENT_ROLE) == "service_role"
        assert await pooled_conn.fetchval("SELECT auth.role()") is None


@pytest.mark.parametrize(
    ("caller", "statement", "relation"),
    [
        (VISITOR, "SELECT 1 FROM leads", "table leads"),
        (VISITOR, "SELECT 1 FROM crm_events", "table crm_events"),
        (VISITOR, "DELETE FROM widget_sessions", "table widget_sessions"),
        (VISITOR, "SELECT 1 FROM crm.commands", "schema crm"),
        (CONSOLE_USER, "UPDATE leads SET notes = 'x'", "table leads"),
        (CONSOLE_USER, "DELETE FROM tours", "table tours"),
        (CONSOLE_USER, "SELECT 1 FROM crm_events", "table crm_events"),
        (CONSOLE_USER, "SELECT 1 FROM crm.commands", "schema crm"),
    ],
    ids=[
        "visitor-leads",
        "visitor-log",
        "visitor-sessions",
        "visitor-commands",
        "user-leads",
        "user-tours",
        "user-log",
        "user-commands",
    ],
)
async def test_a_caller_is_denied_what_its_role_has_no_privilege_for(
    narrow_pool: asyncpg.Pool, caller: ConsoleUser | Visitor, statement: str, relation: str
) -> None:
    async with read_as(narrow_pool, caller.claims) as conn:
        with pytest.raises(asyncpg.InsufficientPrivilegeError) as raised:
            await conn.all(CompiledQuery(statement))
    assert f"permission denied for {relation}" in str(raised.value)


async def test_a_caller_reads_no_row_of_another_organisation(
    site: Site, narrow_pool: asyncpg.Pool
) -> None:
    await site.create_lead()
    await site.send_chat("hello", visitor="v_1")
    await site.project()
    member = ConsoleUser(site.manager, site.world.org_id, "manager")
    async with site.world.pool.acquire() as connection:
        visitor_hash = await connection.fetchval("SELECT visitor_id FROM widget_sessions")
    owner = Visitor(site.world.org_id, site.property_id, visitor_hash)
    other_visitor = Visitor(site.world.org_id, site.property_id, "v_2")
    for caller, table, count in (
        (member, "leads", 1), (CONSOLE_USER, "leads", 0), (owner, "widget_sessions", 1),
        (other_visitor, "widget_sessions", 0), (VISITOR, "widget_sessions", 0),
    ):  # fmt: skip
        async with read_as(narrow_pool, caller.claims) as conn:
            assert await conn.scalar(CompiledQuery(f"SELECT count(*) FROM {table}")) == count, (
                caller
            )


async def test_a_workers_connection_has_service_role_each_time_it_is_acquired(
    settings: Settings,
) -> None:
    async with pooled(settings, "test", size=1) as pool:
        for _ in range(2):
            async with pool.acquire() as conn:
                assert await conn.fetchval(CURRENT_ROLE) == "service_role"
