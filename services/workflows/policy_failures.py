"""The failures of policies: events because of which a policy could not act, with the reason.

A failure does not stop its shard. It is tried again with growing pauses, and then kept for a
person. `retry` lets it be tried again at once.
"""

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias
from uuid import UUID

import asyncpg

from events.event import ERASED_TEXT
from events.keys.contents import open_contents, seal_contents
from events.log.connection import Connection
from events.record import RecordedEvent
from services.runtime import metrics
from services.runtime.logging import get_logger
from services.workflows.policy_runner import PolicyError

RETRY_DELAYS = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 1_800, 7_200))
"""Pauses before the next attempts. After the last one a failure waits for a person."""
MAX_DETAIL_CHARACTERS = 2_000
MAX_FAILURES = 100_000
"""Failures that one command changes at most."""
REPORT_SECONDS = 30.0
"""Time for which /readyz reports a failure after its last attempt."""

FailureChange: TypeAlias = Callable[[Connection, Collection[UUID]], Awaitable[int]]
"""Changes the failures of some events, and returns their number."""

log = get_logger("policies")


class PolicyFailure(NamedTuple):
    """A policy and an event because of which it could not act.

    Without `next_attempt_at` it is given up, and a person must repair the cause and retry.
    """

    policy: str
    event_id: UUID
    org_id: UUID
    property_id: UUID
    lead_id: UUID | None
    reason: str
    detail: str
    attempts: int
    first_failed_at: datetime
    failed_at: datetime
    next_attempt_at: datetime | None


async def store_failure(
    conn: Connection, recorded: RecordedEvent, error: PolicyError, attempts: int = 1
) -> None:
    """Store that a policy could not act because of an event, after so many attempts."""
    content = error.detail[:MAX_DETAIL_CHARACTERS].encode("utf-8", "replace")
    subject_id = recorded.lead_id or recorded.property_id or recorded.org_id
    [sealed] = await seal_contents(conn, [(subject_id, content)])
    pause = RETRY_DELAYS[attempts - 1] if attempts <= len(RETRY_DELAYS) else None
    await conn.execute(
        """
        INSERT INTO crm.policy_failures (policy, event_id, org_id, property_id, lead_id, reason,
          detail, attempts, first_failed_at, failed_at, next_attempt_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, clock_timestamp(), clock_timestamp(),
          clock_timestamp() + $9::interval)
        ON CONFLICT (policy, event_id) DO UPDATE SET reason = excluded.reason,
          detail = excluded.detail, attempts = excluded.attempts, failed_at = excluded.failed_at,
          next_attempt_at = excluded.next_attempt_at
        WHERE excluded.attempts > policy_failures.attempts
        """,
        error.policy,
        recorded.id,
        recorded.org_id,
        recorded.property_id,
        recorded.lead_id,
        error.reason,
        sealed,
        attempts,
        pause,
    )
    log.error(
        "policies.failed", policy=error.policy, event_id=str(recorded.id), reason=error.reason,
        attempts=attempts, is_retry=True,
    )  # fmt: skip


async def list_failures(
    conn: Connection, property_ids: Collection[UUID] | None = None, limit: int = 1_000
) -> list[PolicyFailure]:
    """Return the failures, the oldest first; of some properties or of all."""
    rows = await conn.fetch(
        f"SELECT {', '.join(PolicyFailure._fields)} FROM crm.policy_failures "
        "WHERE $1::uuid[] IS NULL OR property_id = ANY($1) ORDER BY first_failed_at LIMIT $2",
        None if property_ids is None else list(property_ids),
        limit,
    )
    details = await open_contents(conn, [row["detail"] for row in rows])
    return [
        PolicyFailure(**{**row, "detail": ERASED_TEXT if detail is None else detail.decode()})
        for row, detail in zip(rows, details, strict=True)
    ]


async def retry(conn: Connection, event_ids: Collection[UUID]) -> int:
    """Let the failures of these events be tried again at once; return how many there are."""
    status: str = await conn.execute(
        "UPDATE crm.policy_failures SET next_attempt_at = '-infinity' "
        "WHERE event_id = ANY($1::uuid[])",
        list(event_ids),
    )
    return int(status.rpartition(" ")[2])


async def drop(conn: Connection, event_ids: Collection[UUID]) -> int:
    """Forget the failures of these events for good; return how many there were."""
    status: str = await conn.execute(
        "DELETE FROM crm.policy_failures WHERE event_id = ANY($1::uuid[])", list(event_ids)
    )
    log.warning("policies.dropped", event_ids=sorted(map(str, event_ids)))
    return int(status.rpartition(" ")[2])


async def find_recent_problem(pool: asyncpg.Pool) -> str | None:
    """Return why policies cannot act at present; None if the last failure was some time ago."""
    row = await pool.fetchrow(
        "SELECT count(*) AS failures, min(policy) AS policy, min(reason) AS reason "
        "FROM crm.policy_failures WHERE failed_at > clock_timestamp() - make_interval(secs => $1)",
        REPORT_SECONDS,
    )
    if row is None or not row["failures"]:
        return None
    return (
        f"{row['failures']} events could not be handled by policies in the last "
        f"{REPORT_SECONDS:.0f} s, such as by {row['policy']} ({row['reason']}): see "
        "`crm policy failures`"
    )


async def update_metrics(pool: asyncpg.Pool) -> None:
    """Set the gauge of the failures, by tenant and policy."""
    rows = await pool.fetch(
        "SELECT org_id, property_id, policy, count(*) AS failures FROM crm.policy_failures "
        "GROUP BY 1, 2, 3"
    )
    metrics.POLICY_FAILURES.clear()
    for row in rows:
        tenant = str(row["org_id"]), str(row["property_id"])
        metrics.POLICY_FAILURES.labels(*tenant, row["policy"]).set(row["failures"])
