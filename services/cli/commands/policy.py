"""`crm policy`: list, retry or drop the events because of which a policy could not act."""

import asyncio
from typing import Annotated
from uuid import UUID

import asyncpg
from cyclopts import App, Parameter

from services.cli.id_prefix import find_id
from services.runtime.database import connect
from services.runtime.database_settings import DatabaseSettings
from services.runtime.terminal import Failure, examples, note, print_rows
from services.workflows import policy_failures
from services.workflows.policy_failures import PolicyFailure

COLUMNS = [
    "event_id", "policy", "lead_id", "reason", "detail", "attempts", "failed_at", "next_attempt_at",
]  # fmt: skip

app = App(
    name="policy",
    help_epilogue=examples(
        "crm policy failures",
        "crm policy retry 0192f0c1-…",
        "crm policy retry --all",
        "crm policy drop 0192f0c1-…",
    ),
    help_format="plaintext",
)


@app.command
def failures(
    *,
    property: UUID | None = None,  # noqa: A002
    limit: int = 1_000,
    json: bool = False,
) -> None:
    """List the failures of policies, the oldest first.

    A failure without a next attempt is given up: repair its cause, then retry it.

    Parameters
    ----------
    property
        Only the failures of this property.
    limit
        The maximum number of rows.
    json
        Print a JSON list.
    """
    rows = asyncio.run(_list(property, limit))
    listed = [failure._asdict() for failure in rows]
    print_rows(listed, COLUMNS, as_json=json, empty="no policy has failed")


@app.command
def retry(
    event: str | None = None, *, all_: Annotated[bool, Parameter(name="--all", negative="")] = False
) -> None:
    """Let policies act again because of an event, at once. The process workflows does it.

    Parameters
    ----------
    event
        The id of the event, or its beginning.
    all_
        All failures.
    """
    if (event is None) is not all_:
        raise Failure("give either the id of an event or --all")
    count = asyncio.run(_change(event, policy_failures.retry))
    note(f"{count} failures are tried again now: see `crm policy failures`")


@app.command
def drop(event: str) -> None:
    """Give a failure up for good: the policy does not act because of this event.

    Parameters
    ----------
    event
        The id of the event, or its beginning.
    """
    note(f"{asyncio.run(_change(event, policy_failures.drop))} failures were dropped")


async def _list(property_id: UUID | None, limit: int) -> list[PolicyFailure]:
    conn = await connect(DatabaseSettings(), "crm policy")
    try:
        properties = None if property_id is None else [property_id]
        return await policy_failures.list_failures(conn, properties, limit)
    finally:
        await conn.close()


async def _change(event: str | None, change: policy_failures.FailureChange) -> int:
    """Change the failures of one event, or of all; return how many there are."""
    conn = await connect(DatabaseSettings(), "crm policy")
    try:
        if event is None:
            rows = await policy_failures.list_failures(conn, limit=policy_failures.MAX_FAILURES)
            return await change(conn, [failure.event_id for failure in rows])
        return await change(conn, [await _find(conn, event)])
    finally:
        await conn.close()


async def _find(conn: asyncpg.Connection, event: str) -> UUID:
    async def find(first: UUID, last: UUID) -> list[UUID]:
        rows = await conn.fetch(
            "SELECT DISTINCT event_id FROM crm.policy_failures "
            "WHERE event_id BETWEEN $1 AND $2 LIMIT 2",
            first,
            last,
        )
        return [row["event_id"] for row in rows]

    return await find_id(event, find, what="failed event", hint="see `crm policy failures`")
