"""Another attempt of policies that failed."""

from typing import cast
from uuid import UUID

from events.log import read
from events.log.connection import Connection
from events.record import RecordedEvent
from services.runtime.logging import get_logger
from services.workflows.policy_failures import store_failure
from services.workflows.policy_runner import PolicyError, PolicyRunner

log = get_logger("policies")


async def retry_due(runner: PolicyRunner) -> int:
    """Try the failure that has been due for the longest time again; return 1, or 0 if none is due.

    The row stays locked meanwhile, so two processes do not try it at the same time.
    """
    async with runner.pool.acquire() as pooled_conn, pooled_conn.transaction():
        conn = cast("Connection", pooled_conn)
        row = await conn.fetchrow(
            "SELECT policy, event_id, attempts FROM crm.policy_failures "
            "WHERE next_attempt_at <= clock_timestamp() ORDER BY next_attempt_at LIMIT 1 "
            "FOR UPDATE SKIP LOCKED"
        )
        if row is None:
            return 0
        recorded = await _read_event(conn, row["event_id"])
        policy = next((p for p in runner.policies if p.name == row["policy"]), None)
        attempts = row["attempts"] + 1
        try:
            if recorded is not None and policy is not None:
                await runner.run(policy, recorded, attempt=attempts)
        except PolicyError as error:
            assert recorded is not None  # noqa: S101 — only an event that was read can fail
            await store_failure(conn, recorded, error, attempts)
            return 1
        # Also a failure of a policy that this build does not have any more is removed.
        await conn.execute(
            "DELETE FROM crm.policy_failures WHERE policy = $1 AND event_id = $2",
            row["policy"],
            row["event_id"],
        )
        log.info("policies.repaired", policy=row["policy"], event_id=str(row["event_id"]))
    return 1


async def _read_event(conn: Connection, event_id: UUID) -> RecordedEvent | None:
    rows = await conn.fetch(f"SELECT {read.COLUMNS} FROM public.crm_events WHERE id = $1", event_id)
    return next(iter(await read.decode_rows(conn, rows)), None)
