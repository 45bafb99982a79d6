"""The state of scores: members of the organisation read it, and no client writes it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.services.api.site import create_profile
from tests.world import World, make_world

COUNT = "SELECT count(*) FROM crm_state.lead_score_state"


@asynccontextmanager
async def transaction_as(pool: asyncpg.Pool, role: str, **claims: Any) -> AsyncIterator[Any]:
    claims_json = json.dumps({"role": role, **claims})
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute(
            "SELECT set_config('role', $1, true), set_config('request.jwt.claims', $2, true)",
            role, claims_json,
        )  # fmt: skip
        yield conn


async def make_member(pool: asyncpg.Pool) -> tuple[World, UUID]:
    """Return a world with a scored lead, and a member of its organisation."""
    world = await make_world(pool)
    await world.append(world.new(world.captured(uuid4(), email=f"{uuid4()}@example.com")))
    await world.project()
    return world, await create_profile(world, "viewer")


async def test_a_member_reads_only_the_scores_of_its_organisation(pool: asyncpg.Pool) -> None:
    (world, member), (_, other_member) = await make_member(pool), await make_member(pool)
    async with transaction_as(pool, "authenticated", sub=str(member)) as conn:
        rows = await conn.fetch("SELECT property_id, total_score FROM crm_state.lead_score_state")
        newest = await conn.fetchval("SELECT total_score FROM lead_scores")
        assert [tuple(row) for row in rows] == [(world.properties[0], newest)]
    async with transaction_as(pool, "authenticated", sub=str(other_member)) as conn:
        assert await conn.fetchval(f"{COUNT} WHERE property_id = $1", world.properties[0]) == 0


@pytest.mark.parametrize("sub", [str(UUID(int=7)), "nobody", None, 7, ""])
async def test_other_users_and_forged_claims_read_no_row(pool: asyncpg.Pool, sub: object) -> None:
    _, member = await make_member(pool)
    async with transaction_as(pool, "authenticated", sub=sub) as conn:
        assert await conn.fetchval(COUNT) == 0
    forged = json.dumps({"role": "service_role", "sub": str(member)})
    async with transaction_as(pool, "authenticated", sub=str(member)) as conn:
        await conn.execute("SELECT set_config('request.jwt.claims', $1, true)", forged)
        assert await conn.fetchval(COUNT) == 0


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
async def test_visitors_cannot_read_and_no_role_can_write(pool: asyncpg.Pool, role: str) -> None:
    _, member = await make_member(pool)
    write = "UPDATE crm_state.lead_score_state SET total_score = 100"
    async with transaction_as(pool, role, sub=str(member)) as conn:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute(COUNT if role == "anon" else write)


async def test_clients_cannot_read_widget_keys(pool: asyncpg.Pool) -> None:
    for role in ("anon", "authenticated"):
        async with transaction_as(pool, role, sub=str(uuid4())) as conn:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute("SELECT * FROM crm_state.widget_keys")
