"""The database role of a caller, and the exact denial of what the role may not do."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.auth.console_users import ConsoleUser
from services.api.auth.visitors import Visitor
from services.runtime.database import open_engine, pooled
from services.runtime.settings import Settings
from tests.services.api.site import Site

CURRENT_ROLE = "SELECT current_user::text"
CONSOLE_USER = ConsoleUser(uuid4(), uuid4(), "admin")
VISITOR = Visitor(uuid4(), uuid4(), "v_1")


@pytest.fixture
async def narrow_engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """Open an engine with one connection, which every transaction of the test shares."""
    engine = open_engine(settings, "test", size=1)
    yield engine
    await engine.dispose()


@pytest.mark.parametrize(
    ("caller", "role"),
    [(CONSOLE_USER, "authenticated"), (VISITOR, "anon")],
    ids=["user", "visitor"],
)
async def test_a_caller_has_its_database_role_until_its_transaction_ends(
    narrow_engine: AsyncEngine, caller: ConsoleUser | Visitor, role: str
) -> None:
    async with caller.transaction(narrow_engine) as conn:
        assert await conn.scalar(text(CURRENT_ROLE)) == role
        assert await conn.scalar(text("SELECT auth.role()")) == role
    async with narrow_engine.begin() as conn:
        assert await conn.scalar(text(CURRENT_ROLE)) == "service_role"
        assert await conn.scalar(text("SELECT auth.role()")) is None


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
    narrow_engine: AsyncEngine, caller: ConsoleUser | Visitor, statement: str, relation: str
) -> None:
    async with caller.transaction(narrow_engine) as conn:
        with pytest.raises(DBAPIError) as raised:
            await conn.execute(text(statement))
    cause = raised.value.orig
    assert cause is not None
    assert getattr(cause, "sqlstate", None) == asyncpg.InsufficientPrivilegeError.sqlstate
    assert f"permission denied for {relation}" in str(cause)


async def test_a_caller_reads_no_row_of_another_organisation(
    site: Site, narrow_engine: AsyncEngine
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
        async with caller.transaction(narrow_engine) as conn:
            assert await conn.scalar(text(f"SELECT count(*) FROM {table}")) == count, caller


async def test_a_workers_connection_has_service_role_each_time_it_is_acquired(
    settings: Settings,
) -> None:
    async with pooled(settings, "test", size=1) as pool:
        for _ in range(2):
            async with pool.acquire() as conn:
                assert await conn.fetchval(CURRENT_ROLE) == "service_role"
