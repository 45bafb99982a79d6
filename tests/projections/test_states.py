"""The state of scores is read by members of the lead's organisation, and written by nobody."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.services.api.conftest import employ
from tests.world import World, make_world

COUNT = "SELECT count(*) FROM crm_state.lead_score_state"


@asynccontextmanager
async def caller(pool: asyncpg.Pool, role: str, **claims: Any) -> AsyncIterator[Any]:
    said = json.dumps({"role": role, **claims})
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute(
            "SELECT set_config('role', $1, true), set_config('request.jwt.claims', $2, true)",
            role, said,
        )  # fmt: skip
        yield conn


async def landlord(pool: asyncpg.Pool) -> tuple[World, UUID]:
    world = await make_world(pool)
    await world.append(world.new(world.captured(uuid4(), email=f"{uuid4()}@example.com")))
    await world.project()
    return world, await employ(world, "viewer")


async def test_a_member_reads_the_scores_of_its_own_leads(pool: asyncpg.Pool) -> None:
    (mine, me), (_, other) = await landlord(pool), await landlord(pool)
    async with caller(pool, "authenticated", sub=str(me)) as conn:
        rows = await conn.fetch("SELECT property_id, total_score FROM crm_state.lead_score_state")
        newest = await conn.fetchval("SELECT total_score FROM lead_scores")
        assert [tuple(row) for row in rows] == [(mine.properties[0], newest)]
    async with caller(pool, "authenticated", sub=str(other)) as conn:
        assert await conn.fetchval(f"{COUNT} WHERE property_id = $1", mine.properties[0]) == 0


@pytest.mark.parametrize("sub", [str(UUID(int=7)), "nobody", None, 7, ""])
async def test_whoever_is_no_member_reads_nothing(pool: asyncpg.Pool, sub: object) -> None:
    _, me = await landlord(pool)
    async with caller(pool, "authenticated", sub=sub) as conn:
        assert await conn.fetchval(COUNT) == 0
    forged = json.dumps({"role": "service_role", "sub": str(me)})
    async with caller(pool, "authenticated", sub=str(me)) as conn:
        await conn.execute("SELECT set_config('request.jwt.claims', $1, true)", forged)
        assert await conn.fetchval(COUNT) == 0


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
async def test_visitors_do_not_read_and_nobody_writes(pool: asyncpg.Pool, role: str) -> None:
    _, me = await landlord(pool)
    write = "UPDATE crm_state.lead_score_state SET total_score = 100"
    async with caller(pool, role, sub=str(me)) as conn:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute(COUNT if role == "anon" else write)


async def test_keys_beside_it_are_read_by_nobody(pool: asyncpg.Pool) -> None:
    for role in ("anon", "authenticated"):
        async with caller(pool, role, sub=str(uuid4())) as conn:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute("SELECT * FROM crm_state.widget_keys")
