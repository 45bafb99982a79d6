"""Clients that send no key and no id of the message: what tells their retry from a new message."""

import hashlib
from datetime import datetime, timedelta
from uuid import UUID, uuid5

import asyncpg
import orjson

from events.log import commands
from events.log.commands import Command
from services.api.auth.callers import Visitor
from services.api.schemas.chat import ChatSent

RETRIED_WITHIN = timedelta(seconds=60)
_NAMESPACE = UUID("6a0f1d3e-2b77-5c0e-9a54-8f0d3c7b1e25")


async def as_retried(
    pool: asyncpg.Pool, caller: Visitor, body: ChatSent, raw: bytes
) -> Command | None:
    """The command behind a request that may be sent again as it is; None where that says nothing.

    A transcript grows with every turn, so the same one again from the same visitor within a minute
    is the same turn: docs/decisions/the-same-transcript-again-is-a-retry.md.
    """
    if caller.visitor_id is None or not _tells(body):
        return None
    digest = hashlib.sha256(raw).digest()
    async with pool.acquire() as conn, conn.transaction():
        # One after the other, or two at once on either side of a minute would be two commands.
        now = await conn.fetchval(
            "SELECT clock_timestamp() FROM pg_advisory_xact_lock(hashtextextended($1, 0))",
            str(_id(caller, digest)),
        )
        slot = _slot(now)
        this, before = _id(caller, digest, slot), _id(caller, digest, slot - 1)
        known = await conn.fetchval(
            "SELECT id FROM crm.commands WHERE id = $1 AND expires_at > clock_timestamp()", before
        )
        command = Command(known or this, digest, now + 2 * RETRIED_WITHIN)
        await commands.claim(conn, command)
    return command


def _tells(body: ChatSent) -> bool:
    """Is it a transcript that another turn would have made longer?"""
    if body.message is not None or body.message_id is not None or not body.messages:
        return False
    return len(body.messages) > 1 or (body.session_id is None and body.conversation_id is None)


def _slot(now: datetime) -> int:
    return int(now.timestamp() // RETRIED_WITHIN.total_seconds())


def _id(caller: Visitor, digest: bytes, slot: int | None = None) -> UUID:
    name = orjson.dumps([caller.principal, str(caller.org_id), digest.hex(), slot])
    return uuid5(_NAMESPACE, name.decode())
