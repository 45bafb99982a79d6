"""Command ids: a repeated command gets the result of the first execution.

A result is what a client gets, so it is sealed with the key of the lead that the command is about.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import orjson

from events.keys.contents import ERASED, open_contents, seal_contents
from events.keys.ring import current_ring
from events.keys.store import Source
from events.log.connection import Connection

PURGE_AT_ONCE = 1_000
"""Expired command ids that one call of `purge` deletes at most."""


@dataclass(frozen=True, slots=True)
class CommandId:
    """The id of a command that may be repeated, with a digest of the command's content.

    The id is stored until `expires_at`, or for ever if that is None.
    """

    id: UUID
    digest: bytes
    expires_at: datetime | None = None

    def seed(self, part: str = "") -> UUID | None:
        """Return the id from which event ids of the command are derived; `part` separates several.

        Return None for an id that expires: a later command with the same id must get other ids.
        """
        if self.expires_at is not None:
            return None
        return uuid5(self.id, part) if part else self.id


class ResultErased(Exception):
    """The command was executed, and its result was erased with the data of a person."""


class CommandReused(Exception):
    """The command id was used with another content: use a new id for a new command."""


async def claim(conn: Connection, command_id: CommandId) -> Any | None:
    """Claim a command id in the open transaction and return the stored result, or None.

    None means that the caller must execute the command. Waits while another transaction has
    claimed the id. Raises `CommandReused` and `ResultErased`.
    """
    digest = await content_digest(conn, command_id.digest)
    # An expired id counts as unused, also before `purge` has deleted it.
    await conn.execute(
        "DELETE FROM crm.commands WHERE id = $1 AND expires_at < clock_timestamp()", command_id.id
    )
    # A concurrent insert of the same id blocks here until the other transaction ends. If that one
    # commits, this insert does nothing and its result is read below; if it rolls back, the id is
    # claimed here. So two executions of one command never overlap.
    await conn.execute(
        "INSERT INTO crm.commands (id, digest, expires_at) VALUES ($1, $2, $3) "
        "ON CONFLICT (id) DO NOTHING",
        command_id.id,
        digest,
        command_id.expires_at,
    )
    # The row lock keeps the id claimed where the row was committed without a result, by a command
    # that runs in several transactions: a repetition waits for the present one.
    row = await conn.fetchrow(
        "SELECT digest, answer FROM crm.commands WHERE id = $1 FOR UPDATE", command_id.id
    )
    if row is None or row["digest"] != digest:
        raise CommandReused(CommandReused.__doc__)
    return await _open(conn, row["answer"])


async def find(conn: Connection, command_id: CommandId) -> Any | None:
    """Return the stored result of a command, or None. Raises the same as `claim`."""
    row = await conn.fetchrow(
        "SELECT digest, answer FROM crm.commands WHERE id = $1", command_id.id
    )
    if row is None:
        return None
    if row["digest"] != await content_digest(conn, command_id.digest):
        raise CommandReused(CommandReused.__doc__)
    return await _open(conn, row["answer"])


async def settle(
    conn: Connection, command_id: CommandId, answer: Any, subject_ids: Sequence[UUID]
) -> None:
    """Store the result of a command (JSON, not null) in the transaction that claimed its id.

    It is sealed with the key of the first of these subjects that is not erased.
    """
    content, sealed = orjson.dumps(answer), ERASED
    for subject_id in subject_ids:
        [sealed] = await seal_contents(conn, [(subject_id, content)])
        if sealed != ERASED:
            break
    await conn.execute("UPDATE crm.commands SET answer = $2 WHERE id = $1", command_id.id, sealed)


async def _open(conn: Connection, sealed: bytes | None) -> Any | None:
    if sealed is None:
        return None
    [content] = await open_contents(conn, [sealed])
    if content is None:
        raise ResultErased(ResultErased.__doc__)
    return orjson.loads(content)


async def content_digest(source: Source, content: bytes) -> bytes:
    """Return the keyed hash of a content: without the key, the content cannot be guessed."""
    return hmac.digest(await current_ring().contact_key(source), content, hashlib.sha256)


async def purge(conn: Connection, limit: int = PURGE_AT_ONCE) -> int:
    """Delete at most `limit` expired command ids and return their number."""
    status: str = await conn.execute(
        "DELETE FROM crm.commands WHERE id IN (SELECT id FROM crm.commands "
        "WHERE expires_at < clock_timestamp() LIMIT $1 FOR UPDATE SKIP LOCKED)",
        limit,
    )
    return int(status.rpartition(" ")[2])
