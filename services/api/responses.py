"""Answers, and the two promises of every write: decided once, and readable by its token."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID, uuid5

import asyncpg
import orjson
from fastapi import Depends, Header, Query
from starlette.requests import Request
from starlette.responses import Response

from events.log.commands import Command
from events.log.token import MalformedToken, Token
from projections.catalog import LIVE
from services.api.auth.callers import Person, Visitor
from services.api.context import Core, core_of
from services.api.problems import Problem
from services.application.command_handler import transact
from services.application.unit_of_work import Scope, UnitOfWork

TOKEN = "X-CRM-Token"  # noqa: S105 — a header's name
KEPT = timedelta(hours=24)
LONGEST_KEY = 255
POLL_SECONDS = 0.02
_NAMESPACE = UUID("5b0e8d0c-2f5e-5c55-8f0f-6d0c4b4f9a11")

Answer = Mapping[str, Any]


def answered(body: Any, status: int = 200, token: Token | None = None) -> Response:
    """JSON, instants in UTC with Z."""
    headers = {TOKEN: str(token)} if token else {}
    text = json_of(body)
    return Response(text, status, headers=headers, media_type="application/json")


def json_of(body: Any) -> bytes:
    """Sorted, so that a repeat's answer, which comes from the database, is the same to the byte."""
    return orjson.dumps(body, default=str, option=_JSON)


_JSON = orjson.OPT_UTC_Z | orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
"""With `default`, for asyncpg's ids and SQLAlchemy's names are subclasses, which orjson refuses."""


async def written(
    request: Request,
    caller: Visitor | Person,
    scope: Scope,
    body: bytes,
    work: Callable[[UnitOfWork], Awaitable[Answer]],
    status: int = 200,
) -> Response:
    """Decide `work` and answer what it returns; with an Idempotency-Key once and for all."""

    async def plainly(uow: UnitOfWork) -> Any:
        return orjson.loads(json_of(await work(uow)))

    command = command_of(request, caller, body)
    handled = await transact(core_of(request).pool, scope, plainly, once=command)
    return answered(handled.result, status, handled.token)


def command_of(request: Request, caller: Visitor | Person, body: bytes) -> Command | None:
    """The command behind the request's Idempotency-Key, of this caller on this route."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    name = orjson.dumps(
        [caller.principal, str(caller.org_id), request.method, request.url.path, key]
    )
    digest = hashlib.sha256(body).digest()
    return Command(uuid5(_NAMESPACE, name.decode()), digest, datetime.now(UTC) + KEPT)


async def once(
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description=f"Sent again within {KEPT.total_seconds() / 3600:g} hours with the same "
            "body, the first result is answered again and nothing is done.",
            json_schema_extra={"minLength": 1, "maxLength": LONGEST_KEY},
        ),
    ] = None,
) -> None:
    """Raises 400 for a key that is none; `command_of` relies on it."""
    key = idempotency_key
    if key is not None and (not key or len(key) > LONGEST_KEY or not key.isprintable()):
        raise Problem(
            400, "invalid_idempotency_key", f"an Idempotency-Key has 1 to {LONGEST_KEY} characters"
        )


async def reached(
    request: Request,
    token: Annotated[
        str | None,
        Header(alias=TOKEN, description="What a write answered: read what it wrote, or later."),
    ] = None,
    after_token: Annotated[
        str | None, Query(max_length=200, description=f"The same, where {TOKEN} cannot be set.")
    ] = None,
) -> None:
    """Wait, bounded, until the tables hold the write whose token the reader hands in."""
    text = token or after_token
    if not text:
        return
    try:
        parsed = Token.parse(text)
    except MalformedToken as error:
        raise Problem(400, "malformed_token", str(error)) from None
    await wait_for(core_of(request), parsed)


async def wait_for(core: Core, token: Token) -> None:
    """Raises 400 for a token of another life of the log, 503 where the tables take too long."""
    deadline = time.monotonic() + core.settings.token_wait_seconds
    while not await _is_there(core.pool, token):
        if time.monotonic() >= deadline:
            raise Problem(
                503, "not_there_yet", "the tables have not reached this write yet: try again",
                headers={"Retry-After": "1"},
            )  # fmt: skip
        await asyncio.sleep(POLL_SECONDS)


async def _is_there(pool: asyncpg.Pool, token: Token) -> bool:
    row = await pool.fetchrow(
        """
        SELECT log.generation, event.shard, event.position AS wanted, held.position AS reached
        FROM crm.log log
        LEFT JOIN public.crm_events event ON event.id = $1
        LEFT JOIN crm.checkpoints held ON held.unit = $2 AND held.shard = event.shard
        """,
        token.event_id,
        LIVE.name,
    )
    if row is None or row["generation"] != token.generation:
        raise Problem(
            400, "token_of_another_generation",
            "this token is of another life of the log: read without it",
        )  # fmt: skip
    if row["shard"] != token.shard:
        raise Problem(400, "malformed_token", str(MalformedToken.__doc__))
    return row["wanted"] is not None and (row["reached"] or 0) >= row["wanted"]


Reached = Depends(reached)
"""A dependency of routes that read the tables."""
Once = Depends(once)
"""A dependency of routes that write."""
