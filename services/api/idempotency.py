"""Idempotency of writes: a repeated request is recognised by one of three keys.

1. The Idempotency-Key header. It becomes a command id, under which the result is stored.
2. The transcript of a chat, for clients without a key: the same transcript within one to two
   minutes is the same turn. It becomes a command id too.
3. The content of a message to a lead, for clients without a key: the same message within ten to
   twenty minutes is the same delivery. It becomes the delivery's id instead of a command id,
   because a command id also keeps refusals: a message refused for a missing template must be sent
   as soon as the template exists.

The keys of 2 and 3 contain the number of a time window. A repetition may fall into the next
window, so both also look for the key of the window before.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID, uuid5

import asyncpg
import orjson
from fastapi import Depends, Header
from starlette.requests import Request

from events.log import commands
from events.log.commands import CommandId
from events.log.locks import lock_name
from services.api.auth.console_users import ConsoleUser
from services.api.auth.visitors import Visitor
from services.api.problems import Problem
from services.api.schemas.chat import ChatRequest
from services.application.permanent_errors import erased_result_as_refusal

RESULT_LIFETIME = timedelta(hours=24)
MAX_KEY_LENGTH = 255
TRANSCRIPT_WINDOW = timedelta(seconds=60)
MESSAGE_WINDOW = timedelta(minutes=10)
_KEY_NAMESPACE = UUID("5b0e8d0c-2f5e-5c55-8f0f-6d0c4b4f9a11")
_TRANSCRIPT_NAMESPACE = UUID("6a0f1d3e-2b77-5c0e-9a54-8f0d3c7b1e25")


async def check_idempotency_key(
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="A client's own id of this request. If the request is repeated with the "
            f"same key and body within {RESULT_LIFETIME.total_seconds() / 3600:g} hours, the "
            "response is the first one and nothing is changed again.",
            json_schema_extra={"minLength": 1, "maxLength": MAX_KEY_LENGTH},
        ),
    ] = None,
) -> None:
    """Raise 400 for a malformed Idempotency-Key. `command_from_header` relies on this check."""
    key = idempotency_key
    if key is not None and (not key or len(key) > MAX_KEY_LENGTH or not key.isprintable()):
        raise Problem(
            400, "invalid_idempotency_key",
            f"the Idempotency-Key has {len(key)} characters or unprintable ones: "
            f"send 1 to {MAX_KEY_LENGTH} printable characters",
        )  # fmt: skip


CHECK_IDEMPOTENCY_KEY = Depends(check_idempotency_key)
"""The dependency of every route that writes."""


def command_from_header(
    request: Request, caller: Visitor | ConsoleUser, raw_body: bytes, now: datetime
) -> CommandId | None:
    """Return the command id of the request's Idempotency-Key; None without one.

    The id also depends on the caller and the route, so one client cannot read the result of
    another by using its key.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    name = orjson.dumps(
        [caller.principal, str(caller.org_id), request.method, request.url.path, key]
    )
    digest = hashlib.sha256(raw_body).digest()
    return CommandId(uuid5(_KEY_NAMESPACE, name.decode()), digest, now + RESULT_LIFETIME)


async def command_from_transcript(
    pool: asyncpg.Pool, caller: Visitor, body: ChatRequest, raw_body: bytes
) -> CommandId | None:
    """Return the command id of a chat turn that has no key; None if it cannot be recognised.

    A transcript grows with every turn. The same transcript again from the same visitor is
    therefore a repetition: docs/decisions/0016-a-repeated-transcript-is-a-retry.md.
    """
    if caller.visitor_hash is None or not _identifies_turn(body):
        return None
    async with pool.acquire() as conn, conn.transaction():
        digest = await commands.content_digest(conn, raw_body)
        # The lock comes before the clock is read. Without it, two requests on either side of the
        # end of a window would both find no command of the other and become two turns.
        await lock_name(conn, str(_transcript_id(caller, digest)))
        now = await conn.fetchval("SELECT clock_timestamp()")
        window = window_of(now)
        current = _transcript_id(caller, digest, window)
        previous = await conn.fetchval(
            "SELECT id FROM crm.commands WHERE id = $1 AND expires_at > clock_timestamp()",
            _transcript_id(caller, digest, window - 1),
        )
        command = CommandId(previous or current, digest, now + 2 * TRANSCRIPT_WINDOW)
        with erased_result_as_refusal():
            await commands.claim(conn, command)
    return command


def delivery_id_candidates(
    user_id: UUID, lead_id: UUID, body_digest: bytes, at: datetime
) -> list[UUID]:
    """Return the ids that the delivery of a message may have; the first is for a new delivery.

    `body_digest` is keyed: the ids stay in the log, and must not show what the message was.
    The others belong to the window before and the window after. Of two requests at the end of a
    window, each finds the other's delivery, whichever is committed first.
    """
    digest = body_digest.hex()
    window = int(at.timestamp() // MESSAGE_WINDOW.total_seconds())
    return [
        uuid5(lead_id, f"message/{user_id}/{digest}/{number}")
        for number in (window, window - 1, window + 1)
    ]


def window_of(now: datetime) -> int:
    """Return the number of the transcript window that contains an instant."""
    return int(now.timestamp() // TRANSCRIPT_WINDOW.total_seconds())


def _identifies_turn(body: ChatRequest) -> bool:
    """Return whether the body is a transcript that another turn would have made longer."""
    if body.message is not None or body.message_id is not None or not body.messages:
        return False
    return len(body.messages) > 1 or (body.session_id is None and body.conversation_id is None)


def _transcript_id(caller: Visitor, digest: bytes, window: int | None = None) -> UUID:
    name = orjson.dumps([caller.principal, str(caller.org_id), digest.hex(), window])
    return uuid5(_TRANSCRIPT_NAMESPACE, name.decode())
