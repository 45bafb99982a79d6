"""The health check that names tables which are missing or unprotected."""

import asyncpg

from services.runtime.health import Check
from services.runtime.schema_check import find_problems


def schema_check(pool: asyncpg.Pool) -> Check:
    """Return a check of the projection tables: present, guarded, under row level security."""

    async def check() -> str | None:
        async with pool.acquire() as conn:
            problems = await find_problems(conn)
        return "; ".join(problems) or None

    return check
