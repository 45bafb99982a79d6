"""`crm parked`: list, show, retry or drop events that no projection could apply."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import asyncpg
from cyclopts import App, Parameter

from events.log import sequencer
from events.log.append import append
from events.operations import ParkedDropped
from events.record import Cause, NewEvent, Origin
from projections.catalog import LIVE
from projections.engine import retry as retrying
from projections.engine.batch import WriterIdentity
from services.cli.id_prefix import find_id
from services.runtime.database import pooled
from services.runtime.database_settings import DatabaseSettings
from services.runtime.terminal import Failure, examples, note, print_json, print_rows

COLUMNS = [
    "event_id", "event_type", "position", "lead_id", "reason", "detail", "attempts", "waiting",
]  # fmt: skip
PARKED_EVENTS = """
SELECT p.*, e.event_type, e.lead_id, e.org_id, e.property_id, e.payload, e.occurred_at,
  (SELECT count(*) FROM crm.parked b
   WHERE b.projection_group = p.projection_group AND b.shard = p.shard AND b.behind
     AND b.touches && p.touches) AS waiting
FROM crm.parked p JOIN public.crm_events e ON e.id = p.event_id WHERE p.projection_group = $1
"""

app = App(
    name="parked",
    help_epilogue=examples(
        "crm parked list",
        "crm parked show 0192f0c1-…",
        "crm parked retry",
        "crm parked drop 0192f0c1-… --reason 'sent by a faulty importer'",
    ),
    help_format="plaintext",
)


@app.command(name="list")
def list_(*, behind: bool = False, limit: int = 1_000, json: bool = False) -> None:
    """List parked events, oldest first.

    Parameters
    ----------
    behind
        Include the events that only wait behind another one.
    limit
        The maximum number of rows.
    json
        Print a JSON list.
    """
    rows, total = asyncio.run(_list(behind=behind, limit=limit))
    print_rows(rows, COLUMNS, as_json=json, empty="nothing is parked")
    if total > len(rows):
        note(f"{len(rows)} of {total}, the oldest: --limit shows more")


@app.command
def show(event: str) -> None:
    """Print one parked event with all its fields as JSON.

    Parameters
    ----------
    event
        The id of the event, or its beginning.
    """
    print_json(dict(asyncio.run(_load(event))))


@app.command
def retry(*, json: bool = False) -> int:
    """Apply all parked events again, in order. Exit code 1 if some stay parked.

    Parameters
    ----------
    json
        Print one JSON document.
    """
    results = asyncio.run(_retry())
    counts = {
        "applied": sum(result.applied for result in results),
        "dropped": sum(result.dropped for result in results),
        "still_parked": sum(result.still_parked for result in results),
    }
    print_json(counts) if json else print_rows([counts], list(counts))
    return 1 if counts["still_parked"] else 0


@app.command
def drop(
    event: str,
    *,
    reason: str,
    yes: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Drop a parked event: no table will contain it. The events that wait behind it are applied.

    Parameters
    ----------
    event
        The id of the event, or its beginning.
    reason
        The reason, which is kept in the log.
    yes
        Drop the event; without this option, only show what would be done.
    """
    row = asyncio.run(_load(event))
    if row["behind"]:
        raise Failure(
            f"event {row['event_id']} only waits behind another one: drop or fix that one"
        )
    waiting = f"{row['waiting']} events wait behind it"
    note(f"{row['event_type']} at position {row['position']}: {waiting}")
    if not yes:
        note("nothing was dropped: give --yes to drop it")
        return 0
    asyncio.run(_drop(row, reason))
    return retry()


async def _list(*, behind: bool, limit: int) -> tuple[list[dict[str, Any]], int]:
    """Return the oldest parked events, and the number of all."""
    async with pooled(DatabaseSettings(), "crm parked", size=1) as pool:
        rows = await pool.fetch(
            f"{PARKED_EVENTS} AND ($2 OR NOT p.behind) ORDER BY p.position LIMIT $3",
            LIVE.name,
            behind,
            limit,
        )
        total = await pool.fetchval(
            "SELECT count(*) FROM crm.parked WHERE projection_group = $1 AND ($2 OR NOT behind)",
            LIVE.name,
            behind,
        )
    return [dict(row) for row in rows], total


async def _load(event: str) -> asyncpg.Record:
    async with pooled(DatabaseSettings(), "crm parked", size=1) as pool:

        async def find(first: UUID, last: UUID) -> list[UUID]:
            rows = await pool.fetch(
                "SELECT event_id FROM crm.parked WHERE projection_group = $1 "
                "AND event_id BETWEEN $2 AND $3 LIMIT 2",
                LIVE.name,
                first,
                last,
            )
            return [row["event_id"] for row in rows]

        event_id = await find_id(event, find, what="parked event", hint="see `crm parked list`")
        [row] = await pool.fetch(f"{PARKED_EVENTS} AND p.event_id = $2", LIVE.name, event_id)
    return row


async def _retry() -> list[retrying.RetryResult]:
    async with pooled(DatabaseSettings(), "crm parked") as pool:
        async with pool.acquire() as conn:
            state = await sequencer.read_log_state(conn)
            shards = await retrying.find_shards_with_parked(conn, LIVE.name)
        identity = WriterIdentity(LIVE, state.generation)
        return [await retrying.retry_parked(pool, identity, shard) for shard in shards]


async def _drop(row: asyncpg.Record, reason: str) -> None:
    """Append `parked.dropped`, unless a retry has applied the event meanwhile.

    A rebuild skips a dropped event: if a retry had applied it, live and rebuilt rows would differ.
    """
    dropped = ParkedDropped(
        property_id=row["property_id"] or row["org_id"],
        dropped_event_id=row["event_id"],
        dropped_position=row["position"],
        unit=LIVE.name,
        reason=reason,
    )
    new = NewEvent(
        id=uuid4(),
        event=dropped,
        org_id=row["org_id"],
        property_id=row["property_id"],
        occurred_at=datetime.now(UTC),
        cause=Cause(actor="operator", origin=Origin.CORRECTION),
    )
    async with pooled(DatabaseSettings(), "crm parked", size=1) as pool:
        async with pool.acquire() as conn, conn.transaction():
            if not await retrying.lock_if_parked(conn, LIVE.name, row["event_id"]):
                raise Failure(
                    f"event {row['event_id']} is not parked any more, a retry has applied it: "
                    "nothing was dropped"
                )
            await append(conn, [new], expected={})
