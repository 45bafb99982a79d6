"""The runs that have not ended: rows derived from events, written in the append's transaction.

A move of a definition needs all of them, and the projections may not contain the newest yet.
"""

from collections.abc import Sequence
from uuid import UUID

from events.log.connection import Connection
from events.record import NewEvent
from events.runs import RunCompleted, RunConverted, RunEnrolled, RunMoved, RunStopped

RUN_EVENTS = (RunEnrolled, RunMoved, RunStopped, RunConverted, RunCompleted)


async def store_live_runs(conn: Connection, events: Sequence[NewEvent]) -> None:
    """Update the rows with these events, which were appended in the same transaction."""
    enrolled: dict[UUID, NewEvent] = {}
    versions: dict[UUID, int] = {}
    ended: set[UUID] = set()
    for new in events:
        match new.event:
            case RunEnrolled() as event:
                enrolled[event.run_id] = new
                versions[event.run_id] = event.definition_version
            case RunMoved() as event:
                versions[event.run_id] = event.definition_version
            case RunStopped() | RunConverted() | RunCompleted() as event:
                ended.add(event.run_id)
    rows = [
        (run_id, new.property_id, new.event.definition_id, versions[run_id], new.occurred_at)
        for run_id, new in enrolled.items()
        if run_id not in ended and isinstance(new.event, RunEnrolled)
    ]  # fmt: skip
    if rows:
        await conn.execute(
            "INSERT INTO crm.live_runs "
            "(run_id, property_id, definition_id, definition_version, enrolled_at) "
            "SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], "
            "$5::timestamptz[]) ON CONFLICT DO NOTHING",
            *zip(*rows, strict=True),
        )
    moved = [key for key in versions if key not in enrolled and key not in ended]
    if moved:
        await conn.execute(
            "UPDATE crm.live_runs run SET definition_version = moved.version "
            "FROM unnest($1::uuid[], $2::int[]) AS moved (id, version) WHERE run.run_id = moved.id",
            moved,
            [versions[key] for key in moved],
        )
    if ended:
        await conn.execute("DELETE FROM crm.live_runs WHERE run_id = ANY($1::uuid[])", list(ended))


async def list_live_runs(
    conn: Connection, property_id: UUID, definition_id: UUID, *, except_version: int
) -> list[UUID]:
    """Return the runs of a definition that have not ended, in other versions, the oldest first."""
    rows = await conn.fetch(LIST_LIVE_RUNS, property_id, definition_id, except_version)
    return [row["run_id"] for row in rows]


LIST_LIVE_RUNS = (
    "SELECT run_id FROM crm.live_runs WHERE property_id = $1 AND definition_id = $2 "
    "AND definition_version <> $3 ORDER BY enrolled_at, run_id"
)
