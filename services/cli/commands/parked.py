"""`crm parked`: list, show, retry or drop events that no projection could apply."""

import asyncio
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from cyclopts import App, Parameter

from projections.catalog import LIVE
from projections.engine.retry import RetryResult
from projections.engine.retry_preview import RetryPreview
from services.application import parked_events
from services.application.changed_rows import describe_preview
from services.application.parked_events import NotParked
from services.cli.changed_rows import print_preview
from services.cli.id_prefix import find_id
from services.runtime.database import pooled
from services.runtime.database_settings import DatabaseSettings
from services.runtime.terminal import Failure, examples, note, print_json, print_rows

COLUMNS = [
    "event_id", "event_type", "position", "lead_id", "reason", "detail", "attempts", "waiting",
]  # fmt: skip

app = App(
    name="parked",
    help_epilogue=examples(
        "crm parked list",
        "crm parked show 0192f0c1-…",
        "crm parked retry --dry-run",
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
def retry(
    *, dry_run: Annotated[bool, Parameter(negative="")] = False, json: bool = False
) -> int:  # fmt: skip
    """Apply all parked events again, in order. Exit code 1 if some stay parked.

    Parameters
    ----------
    dry_run
        Only show the rows that it would change, without personal values; nothing is written.
    json
        Print one JSON document.
    """
    if dry_run:
        return _show_preview(json=json)
    result = asyncio.run(_retry())
    counts = {
        "applied": result.applied,
        "dropped": result.dropped,
        "still_parked": result.still_parked,
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


def _show_preview(*, json: bool) -> int:
    shown = describe_preview(asyncio.run(_preview()))
    if json:
        print_json(shown)
    else:
        print_preview(shown)
        note(f"{shown['applied']} would be applied, {shown['still_parked']} would stay parked")
    return 1 if shown["still_parked"] else 0


async def _preview() -> RetryPreview:
    async with pooled(DatabaseSettings(), "crm parked", size=1) as pool:
        return await parked_events.preview_retry(pool)


async def _list(*, behind: bool, limit: int) -> tuple[list[dict[str, Any]], int]:
    """Return the oldest parked events, and the number of all."""
    async with (
        pooled(DatabaseSettings(), "crm parked", size=1) as pool,
        pool.acquire() as conn,
    ):
        rows = await parked_events.list_parked(conn, behind=behind, limit=limit)
        total = await parked_events.count_parked(conn, behind=behind)
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
        async with pool.acquire() as conn:
            row = await parked_events.find_parked(conn, event_id)
    if row is None:
        raise Failure(f"event {event_id} is not parked any more: see `crm parked list`")
    return row


async def _retry() -> RetryResult:
    async with pooled(DatabaseSettings(), "crm parked") as pool:
        return await parked_events.retry_all(pool)


async def _drop(row: asyncpg.Record, reason: str) -> None:
    async with pooled(DatabaseSettings(), "crm parked", size=1) as pool:
        async with pool.acquire() as conn, conn.transaction():
            try:
                await parked_events.drop_parked(conn, row, reason, "operator")
            except NotParked:
                raise Failure(
                    f"event {row['event_id']} is not parked any more, a retry has applied it: "
                    "nothing was dropped"
                ) from None
