"""Read your own writes: a read waits until the tables contain the write of its token.

Clients get tokens only encrypted, and never the same text twice. An event id contains its time, so
a visitor who names an address would learn when the person was last in contact. And a token that a
client could make itself would tell whether another tenant has an event with some id.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated

import asyncpg
from cryptography.fernet import InvalidToken
from fastapi import Depends, Header, Query
from starlette.requests import Request

from events.log.secret_keys import SecretKey
from events.log.token import MalformedToken, Token
from projections.catalog import LIVE
from services.api.admission import waiting_elsewhere
from services.api.context import ApiContext, context_of
from services.api.problems import Problem
from services.runtime.secret_cipher import make_cipher

TOKEN_HEADER = "X-CRM-Token"  # noqa: S105 — the name of a header
POLL_SECONDS = 0.02


async def seal_token(context: ApiContext, token: Token | None) -> str | None:
    """Return a token as clients get it; None without a token."""
    return token and encrypt_token(await context.keys.load("consistency_token"), token)


async def open_token(context: ApiContext, text: str) -> Token:
    """Return the token of a client. Raises `MalformedToken` if this core did not issue it."""
    try:
        return decrypt_token(await context.keys.load("consistency_token"), text)
    except MalformedToken:
        # Another process may have encrypted it with a key that was added a moment ago.
        return decrypt_token(await context.keys.load_again("consistency_token"), text)


def encrypt_token(keys: Sequence[SecretKey], token: Token) -> str:
    """Return the token encrypted with the first of the keys, without padding."""
    return make_cipher(keys).encrypt(str(token).encode()).decode().rstrip("=")


def decrypt_token(keys: Sequence[SecretKey], text: str) -> Token:
    """Return the token that one of the keys encrypted. Raises `MalformedToken`."""
    padded = text + "=" * (-len(text) % 4)
    try:
        content = make_cipher(keys).decrypt(padded.encode("ascii", "replace"))
    except InvalidToken as error:
        raise MalformedToken(MalformedToken.__doc__) from error
    return Token.parse(content.decode())


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
    context = context_of(request)
    try:
        parsed = await open_token(context, text)
    except MalformedToken as error:
        raise Problem(400, "malformed_token", str(error)) from None
    await wait_until_applied(context, parsed)


async def wait_until_applied(context: ApiContext, token: Token) -> None:
    """Return when the checkpoint of the token's shard has passed the token's event.

    Raise 400 for a token of another log generation, and 503 after `token_wait_seconds`.
    """
    wait_seconds = context.settings.token_wait_seconds
    if not await is_applied_within(context, token, wait_seconds):
        raise Problem(
            503, "not_there_yet",
            f"the write of this token is stored, but the tables do not contain it after "
            f"{wait_seconds:g} s: repeat this read, not the write, or read without the token",
            headers={"Retry-After": "1"},
        )  # fmt: skip


async def is_applied_within(context: ApiContext, token: Token, wait_seconds: float) -> bool:
    """Return whether the tables contain the token's event, or do so after some seconds at most.

    Raise 400 for a token of another log generation.
    """
    if await _is_applied(context.pool, token):
        return True
    if wait_seconds <= 0:
        return False
    async with waiting_elsewhere():
        return await _poll_until_applied(context, token, wait_seconds)


async def _poll_until_applied(context: ApiContext, token: Token, wait_seconds: float) -> bool:
    deadline = time.monotonic() + wait_seconds
    while not await _is_applied(context.pool, token):
        if time.monotonic() >= deadline:
            return False
        # Polled: a notification per commit would slow down every append.
        await asyncio.sleep(POLL_SECONDS)
    return True


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
