"""Row level security: transactions that read as the caller, with its database role and claims."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import asyncpg
import orjson

from services.api.reading import ACQUIRE_SECONDS, QueryRunner


@asynccontextmanager
async def read_as(
    pool: asyncpg.Pool, claims: Mapping[str, str | None]
) -> AsyncIterator[QueryRunner]:
    """Open a transaction with the database role `claims["role"]` and these JWT claims.

    Row level security decides what it reads. Role and claims end with the transaction, because a
    pooled connection must not keep them.
    """
    async with pool.acquire(timeout=ACQUIRE_SECONDS) as conn:
        await conn.execute(f"BEGIN; {assume_role(claims)}")
        try:
            yield QueryRunner(conn)
        except BaseException:
            await conn.execute("ROLLBACK")
            raise
        await conn.execute("COMMIT")


def assume_role(claims: Mapping[str, str | None]) -> str:
    """Return the statement that sets role and claims until the end of the transaction.

    It has no parameters, so that it can be sent together with BEGIN.
    """
    role, text = _quote(claims["role"] or ""), _quote(orjson.dumps(claims).decode())
    return (
        f"SELECT set_config('role', {role}, true), set_config('request.jwt.claims', {text}, true)"
    )


def _quote(text: str) -> str:
    """Return a literal of SQL, with escapes that mean the same whatever the server's settings."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"E'{escaped}'"
