"""Read your own writes: a read waits until the tables contain the write of its token."""

import asyncio
import time
from typing import Annotated

import asyncpg
from fastapi import Depends, Header, Query
from starlette.requests import Request

from events.log.token import MalformedToken, Token
from projections.catalog import LIVE
from services.api.context import ApiContext, context_of
from services.api.problems import Problem

TOKEN_HEADER = "X-CRM-Token"  # noqa: S105 — the name of a header
POLL_SECONDS = 0.02


async def wait_for_token(
    request: Request,
    token: Annotated[
        str | None,
        Header(
            alias=TOKEN_HEADER,
            description="The token of a write. The response contains that write.",
        ),
    ] = None,
    after_token: Annotated[
        str | None,
        Query(
            max_length=200,
            description=f"The same token, for clients that cannot set {TOKEN_HEADER}.",
        ),
    ] = None,
) -> None:
    """Wait until the tables contain the write of the request's token, if it has one."""
    text = token or after_token
    if not text:
        return
    try:
        parsed = Token.parse(text)
    except MalformedToken as error:
        raise Problem(400, "malformed_token", str(error)) from None
    await wait_until_applied(context_of(request), parsed)


async def wait_until_applied(context: ApiContext, token: Token) -> None:
    """Return when the checkpoint of the token's shard has passed the token's event.

    Raise 400 for a token of another log generation, and 503 after `token_wait_seconds`.
    """
    deadline = time.monotonic() + context.settings.token_wait_seconds
    while not await _is_applied(context.pool, token):
        if time.monotonic() >= deadline:
            raise Problem(
                503, "not_there_yet",
                f"the tables do not contain this write after "
                f"{context.settings.token_wait_seconds:g} s: try again",
                headers={"Retry-After": "1"},
            )  # fmt: skip
        # Polled: a notification per commit would slow down every append.
        await asyncio.sleep(POLL_SECONDS)


async def _is_applied(pool: asyncpg.Pool, token: Token) -> bool:
    row = await pool.fetchrow(
        """
        SELECT log.generation, event.shard, event.position AS written,
               checkpoint.position AS applied
        FROM crm.log log
        LEFT JOIN public.crm_events event ON event.id = $1
        LEFT JOIN crm.checkpoints checkpoint
          ON checkpoint.projection_group = $2 AND checkpoint.shard = event.shard
        """,
        token.event_id,
        LIVE.name,
    )
    if row is None or row["generation"] != token.generation:
        raise Problem(
            400, "token_of_another_generation",
            f"the token belongs to log generation {token.generation}, which has ended: "
            "read without it",
        )  # fmt: skip
    if row["shard"] != token.shard:
        raise Problem(400, "malformed_token", str(MalformedToken.__doc__))
    # An event has no position until the relay has numbered it.
    return row["written"] is not None and (row["applied"] or 0) >= row["written"]


WAIT_FOR_TOKEN = Depends(wait_for_token)
"""The dependency of every route that reads the tables."""
