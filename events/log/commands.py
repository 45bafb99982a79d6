"""Commands that were carried out, by their ids: a repeat gets the first one's answer."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from events.log.connection import Connection

PURGE_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Command:
    """A command that may come again; `digest` is of what it says. Kept for ever, or for a time."""

    id: UUID
    digest: bytes
    expires_at: datetime | None = None

    def seed(self, part: str = "") -> UUID | None:
        """What ids of a part of its events follow from; None where the id is free after a time."""
        if self.expires_at is not None:
            return None
        return uuid5(self.id, part) if part else self.id


class CommandReused(Exception):
    """The id of a command came again with another content: use a new id for a new command."""


async def claim(conn: Connection, command: Command) -> Any | None:
    """Claim a command's id in the open transaction; its answer, where it has been given one.

    Waits for another transaction that has claimed the id. None means: carry it out (again, where
    who began it did not end it: its work must know what it has done). Raises `CommandReused`.
    """
    await conn.execute(
        "DELETE FROM crm.commands WHERE id = $1 AND expires_at < clock_timestamp()", command.id
    )
    await conn.execute(
        "INSERT INTO crm.commands (id, digest, expires_at) VALUES ($1, $2, $3) "
        "ON CONFLICT (id) DO NOTHING",
        command.id,
        command.digest,
        command.expires_at,
    )
    held = await conn.fetchrow(
        "SELECT digest, answer FROM crm.commands WHERE id = $1 FOR UPDATE", command.id
    )
    if held is None or held["digest"] != command.digest:
        raise CommandReused(CommandReused.__doc__)
    return held["answer"]


async def settle(conn: Connection, command: Command, answer: Any) -> None:
    """Keep the answer, in the transaction that claimed the id. `answer` is JSON, not null."""
    await conn.execute("UPDATE crm.commands SET answer = $2 WHERE id = $1", command.id, answer)


async def purge(conn: Connection, limit: int = PURGE_AT_ONCE) -> int:
    """Forget commands whose time is over, at most `limit`; how many."""
    done: str = await conn.execute(
        "DELETE FROM crm.commands WHERE id IN (SELECT id FROM crm.commands "
        "WHERE expires_at < clock_timestamp() LIMIT $1 FOR UPDATE SKIP LOCKED)",
        limit,
    )
    return int(done.rpartition(" ")[2])
