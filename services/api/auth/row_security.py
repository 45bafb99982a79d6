"""Row level security: the caller's database role and JWT claims, set per transaction."""

from collections.abc import Mapping

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# `true` makes both settings local to the transaction: a pooled connection must not keep them.
_ASSUME_ROLE = text(
    "SELECT set_config('role', :role, true), set_config('request.jwt.claims', :claims, true)"
)


async def assume_role(conn: AsyncConnection, claims: Mapping[str, str | None]) -> None:
    """Set the transaction's database role to `claims["role"]` and its JWT claims to `claims`.

    From then on row level security decides what the transaction reads.
    """
    text_of_claims = orjson.dumps(claims).decode()
    await conn.execute(_ASSUME_ROLE, {"role": claims["role"], "claims": text_of_claims})
