"""The health check that names tables which are missing or unprotected."""

import asyncpg

from services.runtime.health import Check
from services.runtime.host_columns import find_column_problems
from services.runtime.schema_check import find_problems


def schema_check(pool: asyncpg.Pool) -> Check:
    """Return a check of the projection tables.

    They are present, guarded and under row level security, and the core's rows fit in them.
    """

    async def check() -> str | None:
        async with pool.acquire() as conn:
            problems = await find_problems(conn)
            problems += [str(problem) for problem in await find_column_problems(conn)]
        return "; ".join(problems) or None

    return check
