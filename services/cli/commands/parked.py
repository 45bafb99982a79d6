"""`crm parked`: facts no projection could fold, and what waits behind them."""

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
from projections.engine.apply import Life
from services.runtime.database import pooled
from services.runtime.settings import DatabaseSettings
from services.runtime.terminal import Failure, examples, note, print_json, print_rows

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
    """What is parked, oldest first.

    Parameters
    ----------
    behind
        Also what only waits behind another.
    limit
        How many to show.
    """
    rows, all_ = asyncio.run(_list(behind=behind, limit=limit))
    print_rows(
        rows, ["event_id", "event_type", "position", "lead_id", "reason", "detail", "attempts",
               "waiting"],
        as_json=json, empty="nothing is parked",
    )  # fmt: skip
    if all_ > len(rows):
        note(f"{len(rows)} of {all_}, the oldest: --limit shows more")


@app.command
def show(event: UUID) -> None:
    """One parked fact, whole.

    Parameters
    ----------
    event
        Its id.
    """
    print_json(dict(asyncio.run(_one(event))))


@app.command
def retry(*, json: bool = False) -> int:
    """Fold everything parked again, in order; exit code 1 where something stays parked."""
    done = asyncio.run(_retry())
    said = {
        "applied": sum(one.applied for one in done),
        "dropped": sum(one.dropped for one in done),
        "still_parked": sum(one.still_parked for one in done),
    }
    print_json(said) if json else print_rows([said], list(said))
    return 1 if said["still_parked"] else 0


@app.command
def drop(
    event: UUID,
    *,
    reason: str,
    yes: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Give a parked fact up: no table will ever show it. What waits behind it is folded.

    Parameters
    ----------
    event
        Its id.
    reason
        Why, for whoever reads the log later.
    yes
        Do it; without, only say what would happen.
    """
    row = asyncio.run(_one(event))
    if row["behind"]:
        raise Failure(f"event {event} only waits behind another: drop or fix that one")
    note(f"{row['event_type']} at position {row['position']}: {row['waiting']} wait behind it")
    if not yes:
        note("nothing was dropped: say --yes to do it")
        return 0
    asyncio.run(_drop(row, reason))
    return retry()


PARKED = """
SELECT p.*, e.event_type, e.lead_id, e.org_id, e.property_id, e.payload, e.occurred_at,
  (SELECT count(*) FROM crm.parked b WHERE b.unit = p.unit AND b.shard = p.shard AND b.behind
     AND b.touches && p.touches) AS waiting
FROM crm.parked p JOIN public.crm_events e ON e.id = p.event_id WHERE p.unit = $1
"""


async def _list(*, behind: bool, limit: int) -> tuple[list[dict[str, Any]], int]:
    """The oldest, and how many there are."""
    async with pooled(DatabaseSettings(), "crm parked", size=1) as pool:
        rows = await pool.fetch(
            f"{PARKED} AND ($2 OR NOT p.behind) ORDER BY p.position LIMIT $3",
            LIVE.name,
            behind,
            limit,
        )
        count = await pool.fetchval(
            "SELECT count(*) FROM crm.parked WHERE unit = $1 AND ($2 OR NOT behind)",
            LIVE.name,
            behind,
        )
    return [dict(row) for row in rows], count


async def _one(event: UUID) -> asyncpg.Record:
    async with pooled(DatabaseSettings(), "crm parked", size=1) as pool:
        row = await pool.fetchrow(f"{PARKED} AND p.event_id = $2", LIVE.name, event)
    if row is None:
        raise Failure(f"event {event} is not parked: see `crm parked list`")
    return row


async def _retry() -> list[retrying.Retried]:
    async with pooled(DatabaseSettings(), "crm parked") as pool:
        async with pool.acquire() as conn:
            state = await sequencer.state(conn)
            shards = await retrying.shards_with_parked(conn, LIVE.name)
        life = Life(LIVE, state.generation)
        return [await retrying.retry(pool, life, shard) for shard in shards]


async def _drop(row: asyncpg.Record, reason: str) -> None:
    key = row["property_id"] or row["org_id"]
    said = ParkedDropped(
        property_id=key,
        dropped_event_id=row["event_id"],
        dropped_position=row["position"],
        unit=LIVE.name,
        reason=reason,
    )
    async with pooled(DatabaseSettings(), "crm parked", size=1) as pool:
        async with pool.acquire() as conn, conn.transaction():
            if not await retrying.hold(conn, LIVE.name, row["event_id"]):
                raise Failure(
                    f"event {row['event_id']} is not parked any more, a retry came first: "
                    "nothing was dropped"
                )
            await append(
                conn,
                [
                    NewEvent(
                        id=uuid4(),
                        event=said,
                        org_id=row["org_id"],
                        property_id=row["property_id"],
                        occurred_at=datetime.now(UTC),
                        cause=Cause(actor="operator", origin=Origin.CORRECTION),
                    )
                ],
                expected={},
            )
