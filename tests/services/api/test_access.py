"""Whose rights a query has: the caller's, and nobody's more."""

from uuid import uuid4

from sqlalchemy import text

from services.api.auth.console_users import Person
from services.api.auth.visitors import Visitor
from services.runtime.database import open_engine, pooled
from services.runtime.settings import Settings

WHO = "SELECT current_user::text"


async def test_a_caller_is_a_database_role_for_the_length_of_its_transaction(
    settings: Settings,
) -> None:
    engine = open_engine(settings, "test", size=1)
    for caller, role in (
        (Person(uuid4(), uuid4(), "admin"), "authenticated"),
        (Visitor(uuid4(), uuid4(), "v_1"), "anon"),
    ):
        async with caller.transaction(engine) as conn:
            assert await conn.scalar(text(WHO)) == role
        async with engine.begin() as conn:
            assert await conn.scalar(text(WHO)) == "service_role"
            assert not await conn.scalar(text("SELECT auth.role()"))
    await engine.dispose()


async def test_workers_are_service_role_however_often_a_connection_comes_back(
    settings: Settings,
) -> None:
    async with pooled(settings, "test", size=1) as pool:
        for _ in range(2):
            async with pool.acquire() as conn:
                assert await conn.fetchval(WHO) == "service_role"
