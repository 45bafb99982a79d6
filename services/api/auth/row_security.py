"""Row level security: a transaction is given its caller's database role and claims."""

from collections.abc import Mapping

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_BECOME = text(
    "SELECT set_config('role', :role, true), set_config('request.jwt.claims', :claims, true)"
)


async def become(conn: AsyncConnection, claims: Mapping[str, str | None]) -> None:
    """For this transaction be the database role `claims` name: row level security decides then."""
    said = orjson.dumps(claims).decode()
    await conn.execute(_BECOME, {"role": claims["role"], "claims": said})
