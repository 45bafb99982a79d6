"""Parked events: those that no projector could fold, and all later ones that touch the same ids."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from events.event import touches
from events.log.connection import Connection
from events.record import RecordedEvent, UnreadableEvent

BEHIND = "behind"
BLOCKED = (BEHIND, "an event before it, which touches the same ids, is parked")
"""Reason and detail of an event that only waits for another parked event."""
MAX_DETAIL_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """An event to be parked, with the reason.

    `touches`: the ids that must wait until it is applied or dropped.
    """

    recorded: RecordedEvent
    reason: str
    detail: str
    touches: frozenset[UUID]

    @property
    def is_behind(self) -> bool:
        """Return whether the event only waits for another parked event."""
        return self.reason == BEHIND


def touched_ids(recorded: RecordedEvent) -> frozenset[UUID]:
    """Return the ids that an event is about, and the ids of the rows that it creates.

    A later event may name such a row, for example to delete it.
    """
    own = {recorded.id, recorded.entity_id} | ({recorded.lead_id} if recorded.lead_id else set())
    if isinstance(recorded.event, UnreadableEvent):
        return frozenset(
            own | _ids_in(recorded.event.payload) - {recorded.property_id, recorded.org_id}
        )
    return touches(recorded.event) | recorded.event.row_ids(recorded.id) | own


def is_blocked(recorded: RecordedEvent, waiting: set[UUID]) -> bool:
    """Return whether an id that the event touches, its property or organisation is waiting."""
    return bool(waiting) and (
        recorded.property_id in waiting
        or recorded.org_id in waiting
        or not waiting.isdisjoint(touched_ids(recorded))
    )


async def park(conn: Connection, group: str, parked_events: Sequence[ParkedEvent]) -> None:
    """Store parked events; count another attempt for an event that is stored already."""
    if not parked_events:
        return
    await conn.executemany(
        """
        INSERT INTO crm.parked AS stored
          (projection_group, event_id, shard, position, touches, reason, detail, behind)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (projection_group, event_id) DO UPDATE SET attempts = stored.attempts + 1,
          reason = excluded.reason, detail = excluded.detail, behind = excluded.behind,
          touches = excluded.touches
        """,
        [
            (group, p.recorded.id, p.recorded.shard, p.recorded.position, sorted(p.touches),
             p.reason, p.detail[:MAX_DETAIL_CHARACTERS], p.is_behind)
            for p in parked_events
        ],
    )  # fmt: skip


async def remove(conn: Connection, group: str, recorded: RecordedEvent) -> None:
    """Delete the row of a parked event that was applied or dropped."""
    await conn.execute(
        "DELETE FROM crm.parked WHERE projection_group = $1 AND event_id = $2", group, recorded.id
    )


async def read_waiting_ids(
    conn: Connection, group: str, shards: Iterable[int]
) -> dict[int, set[UUID]]:
    """Return shard → the ids that wait there."""
    rows = await conn.fetch(
        "SELECT shard, touches FROM crm.parked "
        "WHERE projection_group = $1 AND shard = ANY($2::smallint[])",
        group,
        list(shards),
    )
    waiting: dict[int, set[UUID]] = {}
    for row in rows:
        waiting.setdefault(row["shard"], set()).update(row["touches"])
    return waiting


async def count(conn: Connection, group: str) -> int:
    """Return the number of parked events."""
    number: int = await conn.fetchval(
        "SELECT count(*) FROM crm.parked WHERE projection_group = $1", group
    )
    return number


async def find_blocking(
    conn: "Connection | asyncpg.Pool", group: str, ids: Sequence[UUID]
) -> tuple[UUID, str] | None:
    """Return id and reason of the first parked event that blocks one of these ids, or None."""
    row = await conn.fetchrow(
        "SELECT event_id, reason FROM crm.parked "
        "WHERE projection_group = $1 AND touches && $2::uuid[] AND NOT behind "
        "ORDER BY shard, position LIMIT 1",
        group,
        list(ids),
    )
    return None if row is None else (row["event_id"], row["reason"])


async def read_skipped_ids(conn: Connection, group: str) -> frozenset[UUID]:
    """Return the ids of events that the tables do not contain: parked now, or dropped."""
    rows = await conn.fetch("SELECT event_id FROM crm.parked WHERE projection_group = $1", group)
    return frozenset(row["event_id"] for row in rows) | await read_dropped_ids(conn, group)


async def read_dropped_ids(conn: Connection, group: str) -> frozenset[UUID]:
    """Return the ids of events that an operator has dropped: no table contains them, ever."""
    rows = await conn.fetch(
        "SELECT (payload ->> 'dropped_event_id')::uuid AS id FROM public.crm_events "
        "WHERE event_type = 'parked.dropped' AND payload ->> 'unit' = $1",
        group,
    )
    return frozenset(row["id"] for row in rows)


async def delete_beyond_checkpoints(conn: Connection, group: str) -> None:
    """Delete parked events beyond the checkpoints: another log generation may lack them."""
    await conn.execute(
        "DELETE FROM crm.parked p USING crm.checkpoints c "
        "WHERE p.projection_group = $1 AND c.projection_group = p.projection_group "
        "AND c.shard = p.shard AND NOT EXISTS "
        "(SELECT FROM public.crm_events e WHERE e.id = p.event_id AND e.position <= c.position)",
        group,
    )


def _ids_in(value: Any) -> set[UUID]:
    """Return every UUID in a payload of unknown shape."""
    match value:
        case dict():
            return set().union(*(_ids_in(part) for part in value.values()))
        case list():
            return set().union(*(_ids_in(part) for part in value))
        case str() if len(value) == 36:
            try:
                return {UUID(value)}
            except ValueError:
                return set()
        case _:
            return set()
