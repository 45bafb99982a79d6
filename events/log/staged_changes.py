"""Staged changes: rows in which database triggers describe the host's writes until their append.

A trigger writes the row in the host's transaction: a write that is rolled back is no event. The
core appends the event and deletes the row in one transaction.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

import asyncpg

from events import codec
from events.catalog import UnknownEvent
from events.keys.errors import DataKeyMissing
from events.log.connection import Connection
from events.log.errors import AppendRefused
from events.log.refused_changes import describe_problem, open_payload, seal_payload
from events.record import Cause, NewEvent, Origin

BATCH_ROWS = 500

_COLUMNS = (
    "change.seq, change.id, change.entity_type, change.entity_id, change.event_type, "
    "change.schema_version, change.org_id, change.property_id, change.occurred_at, "
    "change.payload::text AS payload, change.actor, change.origin, "
    "EXISTS (SELECT FROM public.crm_events e WHERE e.id = change.id) AS is_recorded"
)
_IS_READY = """NOT EXISTS (SELECT FROM crm.staged_changes refused WHERE refused.problem IS NOT NULL
    AND refused.entity_id = change.entity_id AND refused.seq <= change.seq)"""

REFUSALS = (
    AppendRefused, DataKeyMissing, asyncpg.DataError, asyncpg.IntegrityConstraintViolationError,
)  # fmt: skip
"""Errors that one change can cause. Any other error concerns all of them."""
AppendEvents: TypeAlias = Callable[[Sequence[NewEvent]], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class StagedChange:
    """A row of `crm.staged_changes`, locked until the end of the transaction.

    `is_recorded`: the log has the event already, because two transactions adopted one row.
    """

    seq: int
    id: UUID
    entity_type: str
    entity_id: UUID
    payload: str
    is_recorded: bool
    new_event: NewEvent | None
    problem: str | None
    """The reason why the payload is no event; personal values are left out."""


async def has_ready_changes(conn: Connection) -> bool:
    """Return whether a change can be appended now: a cheap query, made for polling."""
    exists: bool = await conn.fetchval(
        f"SELECT EXISTS (SELECT FROM crm.staged_changes change WHERE {_IS_READY})"
    )
    return exists


async def has_changes(conn: Connection, ordering_keys: Sequence[UUID]) -> bool:
    """Return whether changes of these properties (or organisations) can be appended now."""
    exists: bool = await conn.fetchval("SELECT crm.has_staged_changes($1::uuid[])", ordering_keys)
    return exists


async def move_changes(
    conn: Connection, append: AppendEvents, ordering_keys: Sequence[UUID] | None, limit: int
) -> int:
    """Append the next changes in order and delete their rows; return the number of rows.

    A change that the log refuses, or whose key is missing, stays with its values encrypted, and
    later ones of its entity wait behind it.
    """
    changes = await _lock_changes(conn, ordering_keys, limit)
    if not changes:
        return 0
    missing = [change for change in changes if not change.is_recorded]
    left: set[int] = set()
    new = [change.new_event for change in missing if change.new_event is not None]
    try:
        if len(new) < len(missing):
            raise AppendRefused
        async with conn.transaction():
            await append(new)
    except REFUSALS:
        left = await _append_one_by_one(conn, append, missing)
    await conn.execute(
        "DELETE FROM crm.staged_changes WHERE seq = ANY($1::bigint[])",
        [change.seq for change in changes if change.seq not in left],
    )
    return len(changes)


async def _lock_changes(
    conn: Connection, ordering_keys: Sequence[UUID] | None, limit: int
) -> list[StagedChange]:
    """Lock and return the next changes; another transaction that moves the same is waited for."""
    # All transactions lock rows in the order of `seq`, so that they cannot deadlock. Of two that
    # move changes of one property, the second sees those of the first deleted.
    in_scope = "TRUE" if ordering_keys is None else "change.ordering_key = ANY($2::uuid[])"
    arguments = [] if ordering_keys is None else [list(ordering_keys)]
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM crm.staged_changes change WHERE {in_scope} AND {_IS_READY} "
        "ORDER BY change.seq LIMIT $1 FOR UPDATE OF change",
        limit,
        *arguments,
    )
    return [await _read_change(conn, row) for row in rows]


async def _append_one_by_one(
    conn: Connection, append: AppendEvents, changes: Sequence[StagedChange]
) -> set[int]:
    """Append what the log accepts; return the `seq` of the others."""
    left: set[int] = set()
    blocked: set[UUID] = set()
    for change in changes:
        if change.entity_id in blocked:
            left.add(change.seq)
        elif (problem := await _try_append(conn, append, change)) is not None:
            left.add(change.seq)
            blocked.add(change.entity_id)
            await _keep_refused(conn, change, problem)
    return left


async def _keep_refused(conn: Connection, change: StagedChange, problem: str) -> None:
    payload = await seal_payload(
        conn, change.payload, change.id, change.entity_type, change.entity_id
    )
    await conn.execute(
        "UPDATE crm.staged_changes SET problem = $2, payload = $3::text::jsonb WHERE seq = $1",
        change.seq,
        problem,
        payload,
    )


async def _try_append(conn: Connection, append: AppendEvents, change: StagedChange) -> str | None:
    """Append one change; return the reason if the log refuses it."""
    if change.new_event is None:
        return change.problem
    try:
        async with conn.transaction():
            await append([change.new_event])
    except (AppendRefused, DataKeyMissing) as error:
        return str(error)
    except asyncpg.PostgresError as error:
        if not isinstance(error, REFUSALS):
            raise
        return f"the database refuses the event: {type(error).__name__}"
    return None


async def _read_change(conn: Connection, row: asyncpg.Record) -> StagedChange:
    new_event: NewEvent | None = None
    problem: str | None = None
    try:
        payload = await open_payload(conn, row["payload"])
        event = codec.decode(row["event_type"], row["schema_version"], payload)
    except DataKeyMissing as error:
        problem = str(error)
    except (ValueError, UnknownEvent) as error:
        problem = describe_problem(row["event_type"], error)
    else:
        cause = Cause(row["actor"], Origin(row["origin"]))
        new_event = NewEvent(
            row["id"], event, row["org_id"], row["property_id"], row["occurred_at"], cause
        )
    return StagedChange(
        row["seq"], row["id"], row["entity_type"], row["entity_id"], row["payload"],
        row["is_recorded"], new_event, problem,
    )  # fmt: skip
