"""Requests of operators for long work: rows that workers claim with a lease.

A request is stored in the transaction of its action, whose id it has. It is done once: a worker
that is replaced, because its lease has ended, cannot store a result any more.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import asyncpg

from events.log.connection import Connection

LEASE_SECONDS = 30.0
MAX_ATTEMPTS = 3
"""Times that a request is begun: a worker can end, or lose the database, before its result."""
MAX_ERROR_CHARACTERS = 2_000
_COLUMNS = (
    "request.id, kind, parameters, requested_at, status, worker, attempts, stage, done, "
    "total, result, error, ended_at, stage_at, is_cancelled, clock_timestamp() AS read_at"
)


class RequestKind(StrEnum):
    """The work that is requested."""

    REBUILD = "rebuild"
    VERIFY = "verify"
    RETRY_PARKED = "retry_parked"
    REDRIVE = "redrive"
    PREVIEW_REDRIVE = "preview_redrive"


@dataclass(frozen=True, slots=True)
class OperatorRequest:
    """A request with its progress: `done` of `total` in a stage. `worker` has claimed it.

    `stage_at`: when the stage began. `is_cancelled`: an operator does not want it any more; a
    worker that has begun it stops at the next safe point.
    """

    id: UUID
    kind: RequestKind
    parameters: Mapping[str, Any]
    requested_at: datetime
    status: str
    worker: str | None
    attempts: int
    stage: str | None
    done: int
    total: int
    result: Mapping[str, Any] | None
    error: str | None
    ended_at: datetime | None
    stage_at: datetime | None
    is_cancelled: bool
    read_at: datetime

    @property
    def per_second(self) -> float | None:
        """Return how much of the stage is done in a second; None if that is not known yet."""
        if self.stage_at is None or not self.done:
            return None
        seconds = (self.read_at - self.stage_at).total_seconds()
        return self.done / seconds if seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """Return the seconds until the stage ends at this rate; None if that is not known."""
        rate = self.per_second
        return max(0, self.total - self.done) / rate if rate and self.total else None

    @property
    def is_open(self) -> bool:
        return self.status in ("waiting", "running")


class RequestLost(Exception):
    """Another worker has claimed the request, because the lease of this one has ended."""


class RequestCancelled(Exception):
    """An operator has cancelled the request."""


async def insert_request(
    conn: Connection, action_id: UUID, kind: RequestKind, parameters: Mapping[str, Any]
) -> None:
    """Store a request beside its action, in the same transaction."""
    await conn.execute(
        "INSERT INTO crm.operator_requests (id, kind, parameters) VALUES ($1, $2, $3)",
        action_id,
        kind,
        dict(parameters),
    )


async def list_requests(
    conn: Connection, kinds: Collection[RequestKind], limit: int = 10
) -> list[OperatorRequest]:
    """Return the newest requests of some kinds."""
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM crm.operator_requests request WHERE kind = ANY($1::text[]) "
        "ORDER BY requested_at DESC LIMIT $2",
        list(kinds),
        limit,
    )
    return [_request(row) for row in rows]


async def find_request(conn: Connection, request_id: UUID) -> OperatorRequest | None:
    """Return a request; None if there is none with this id."""
    row = await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM crm.operator_requests request WHERE id = $1", request_id
    )
    return None if row is None else _request(row)


async def claim_request(
    conn: Connection, kinds: Collection[RequestKind], worker: str
) -> OperatorRequest | None:
    """Claim the oldest request that waits, or whose worker is gone; None if there is none."""
    row = await conn.fetchrow(
        f"""
        UPDATE crm.operator_requests request SET status = 'running', worker = $2, stage = NULL,
          stage_at = NULL, attempts = attempts + 1, done = 0, total = 0,
          lease_until = clock_timestamp() + make_interval(secs => $3)
        WHERE id = (
          SELECT id FROM crm.operator_requests WHERE status IN ('waiting', 'running')
            AND kind = ANY($1::text[]) AND lease_until < clock_timestamp()
          ORDER BY requested_at LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING {_COLUMNS}
        """,
        list(kinds),
        worker,
        LEASE_SECONDS,
    )
    return None if row is None else _request(row)


async def renew_request(
    conn: Connection, request: OperatorRequest, stage: str | None, done: int, total: int
) -> None:
    """Extend the lease and store the progress. Raise `RequestLost` and `RequestCancelled`."""
    is_cancelled = await conn.fetchval(
        "UPDATE crm.operator_requests SET stage = $3, done = $4, total = $5, "
        "stage_at = CASE WHEN stage IS DISTINCT FROM $3 THEN clock_timestamp() ELSE stage_at END, "
        "lease_until = clock_timestamp() + make_interval(secs => $6) "
        "WHERE id = $1 AND worker = $2 AND status = 'running' RETURNING is_cancelled",
        request.id,
        request.worker,
        stage,
        done,
        total,
        LEASE_SECONDS,
    )
    if is_cancelled is None:
        raise RequestLost
    if is_cancelled:
        raise RequestCancelled


async def cancel_request(conn: Connection, request_id: UUID) -> bool:
    """Cancel a request; return False if it has ended already.

    A request that no worker has begun ends at once. Else its worker ends it at the next safe point.
    """
    status = await conn.execute(
        "UPDATE crm.operator_requests SET is_cancelled = true, "
        "status = CASE status WHEN 'waiting' THEN 'cancelled' ELSE status END, "
        "ended_at = CASE status WHEN 'waiting' THEN clock_timestamp() END "
        "WHERE id = $1 AND status IN ('waiting', 'running')",
        request_id,
    )
    return status != "UPDATE 0"


async def end_request(
    conn: Connection, request: OperatorRequest, result: Mapping[str, Any] | None, error: str | None,
    *, is_cancelled: bool = False,
) -> None:  # fmt: skip
    """Store the result of a request, or why it could not be done. Raise `RequestLost`."""
    status = await conn.execute(
        "UPDATE crm.operator_requests SET status = CASE WHEN $5 THEN 'cancelled' "
        "WHEN $4::text IS NULL THEN 'done' ELSE 'failed' END, result = $3, error = $4, "
        "ended_at = clock_timestamp() "
        "WHERE id = $1 AND worker = $2 AND status = 'running'",
        request.id,
        request.worker,
        None if result is None else dict(result),
        None if error is None else error[:MAX_ERROR_CHARACTERS],
        is_cancelled,
    )
    _require_one(status)


def _request(row: asyncpg.Record) -> OperatorRequest:
    return OperatorRequest(**{**row, "kind": RequestKind(row["kind"])})


def _require_one(status: str) -> None:
    if status == "UPDATE 0":
        raise RequestLost
