"""Parked facts: what no projector could fold, and everything after it that touches the same ids."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from events.event import touches
from events.log.connection import Connection
from events.record import RecordedEvent, Unknown


@dataclass(frozen=True, slots=True)
class Parking:
    """One fact to be parked; `behind` when it only waits for another.

    `touches`: the ids that must wait meanwhile, those it touches and those tied to them.
    """

    recorded: RecordedEvent
    reason: str
    detail: str
    touches: frozenset[UUID]

    @property
    def behind(self) -> bool:
        return self.reason == BEHIND


BEHIND = "behind"
BEHIND_IT = (BEHIND, "an event before it, which touches the same ids, is parked")
"""Reason and detail of what waits."""


def touched_by(recorded: RecordedEvent) -> frozenset[UUID]:
    """The ids `fact` says something about, and those of its rows, which may be named to go."""
    own = {recorded.id, recorded.entity_id} | ({recorded.lead_id} if recorded.lead_id else set())
    if isinstance(recorded.event, Unknown):
        return frozenset(
            own | _ids_in(recorded.event.payload) - {recorded.property_id, recorded.org_id}
        )
    return touches(recorded.event) | recorded.event.named_by(recorded.id) | own


def waits_for(recorded: RecordedEvent, parked: set[UUID]) -> bool:
    """Whether something `fact` touches, or the property it lives in, is parked."""
    return bool(parked) and (
        recorded.property_id in parked
        or recorded.org_id in parked
        or not parked.isdisjoint(touched_by(recorded))
    )


async def park(conn: Connection, group: str, parkings: Sequence[Parking]) -> None:
    """Write down parked facts; one that is parked already counts another attempt."""
    if not parkings:
        return
    await conn.executemany(
        """
        INSERT INTO crm.parked AS held
          (unit, event_id, shard, position, touches, reason, detail, behind)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (unit, event_id) DO UPDATE SET attempts = held.attempts + 1,
          reason = excluded.reason, detail = excluded.detail, behind = excluded.behind,
          touches = excluded.touches
        """,
        [
            (group, p.recorded.id, p.recorded.shard, p.recorded.position, sorted(p.touches),
             p.reason, p.detail[:2000], p.behind)
            for p in parkings
        ],
    )  # fmt: skip


async def touched(conn: Connection, group: str, shards: Iterable[int]) -> dict[int, set[UUID]]:
    """Shard → the ids that wait there."""
    rows = await conn.fetch(
        "SELECT shard, touches FROM crm.parked WHERE unit = $1 AND shard = ANY($2::smallint[])",
        group,
        list(shards),
    )
    found: dict[int, set[UUID]] = {}
    for row in rows:
        found.setdefault(row["shard"], set()).update(row["touches"])
    return found


async def skipped(conn: Connection, group: str) -> frozenset[UUID]:
    """Facts the tables do not show: those parked now, and those dropped for ever."""
    rows = await conn.fetch("SELECT event_id FROM crm.parked WHERE unit = $1", group)
    return frozenset(row["event_id"] for row in rows) | await dropped(conn, group)


async def forget_beyond(conn: Connection, group: str) -> None:
    """Nothing is parked that the tables have not come to: another life of the log may lack it."""
    await conn.execute(
        "DELETE FROM crm.parked p USING crm.checkpoints c "
        "WHERE p.unit = $1 AND c.unit = p.unit AND c.shard = p.shard AND NOT EXISTS "
        "(SELECT FROM public.crm_events e WHERE e.id = p.event_id AND e.position <= c.position)",
        group,
    )


async def dropped(conn: Connection, group: str) -> frozenset[UUID]:
    """Facts an operator has given up: no table ever shows them."""
    rows = await conn.fetch(
        "SELECT (payload ->> 'dropped_event_id')::uuid AS id FROM public.crm_events "
        "WHERE event_type = 'parked.dropped' AND payload ->> 'unit' = $1",
        group,
    )
    return frozenset(row["id"] for row in rows)


def _ids_in(value: Any) -> set[UUID]:
    """Every UUID in a payload whose shape is not known."""
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
