"""Code under test has the database roles of production."""

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime.database import pooled
from services.runtime.settings import Settings
from tests.conftest import LOGIN

ROLES = """
SELECT current_user::text, session_user::text, rolsuper, rolbypassrls
FROM pg_roles WHERE rolname = session_user
"""


async def test_pools_and_engines_are_service_role_of_an_ordinary_login(
    pool: asyncpg.Pool, engine: AsyncEngine
) -> None:
    worker = ("service_role", LOGIN, False, False)
    [row] = await pool.fetch(ROLES)
    assert tuple(row) == worker
    async with engine.connect() as conn:
        assert tuple((await conn.execute(text(ROLES))).one()) == worker


async def test_the_login_itself_reads_no_row_without_a_role(settings: Settings) -> None:
    async with pooled(settings, "test", role=None) as login:
        assert await login.fetchval("SELECT count(*) FROM public.leads") == 0
        assert not await login.fetchval(
            "SELECT pg_has_role(session_user, datdba, 'member') FROM pg_database "
            "WHERE datname = current_database()"
        )


async def test_only_the_owner_is_a_superuser(owner_pool: asyncpg.Pool) -> None:
    assert await owner_pool.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = session_user")
