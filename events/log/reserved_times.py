"""When slots and agents are taken: rows that follow from events, in the append's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from events.event import Event
from events.log.connection import Connection
from events.record import NewEvent
from events.slots import SlotOpened
from events.tours import TourAmended, TourCancelled, TourRescheduled, TourScheduled

Span: TypeAlias = tuple[datetime, datetime]
_KINDS = (SlotOpened, TourScheduled, TourRescheduled, TourAmended, TourCancelled)


@dataclass(slots=True)
class _Tour:
    """What a tour's events come to: its time, its agent, each where it was said."""

    org_id: UUID
    starts_at: datetime | None = None
    minutes: int | None = None
    agent_said: bool = False
    agent_id: UUID | None = None
    cancelled: bool = False


async def keep(conn: Connection, events: Sequence[NewEvent]) -> None:
    """Bring the rows up to these events, which have just been appended."""
    said = [new for new in events if isinstance(new.event, _KINDS)]
    if not said:
        return
    slots = {
        new.event.slot_id: (new.event.slot_id, new.property_id, new.event.starts_at,
                            new.event.duration_minutes)
        for new in said if isinstance(new.event, SlotOpened)
    }  # fmt: skip
    if slots:
        await _keep_slots(conn, list(slots.values()))
    tours: dict[UUID, _Tour] = {}
    for new in said:
        if not isinstance(new.event, SlotOpened):
            _fold(tours, new.org_id, new.event)
    if tours:
        await _keep_tours(conn, tours)


def _fold(tours: dict[UUID, _Tour], org_id: UUID, event: Event) -> None:
    match event:
        case TourScheduled() | TourRescheduled():
            tour = tours.setdefault(event.tour_id, _Tour(org_id))
            tour.starts_at, tour.minutes = event.starts_at, event.duration_minutes
            if isinstance(event, TourScheduled):
                tour.agent_said, tour.agent_id = True, event.assigned_agent_id
        case TourAmended() if "assigned_agent_id" in event.changes:
            tour = tours.setdefault(event.tour_id, _Tour(org_id))
            tour.agent_said, tour.agent_id = True, event.assigned_agent_id
        case TourCancelled():
            tours.setdefault(event.tour_id, _Tour(org_id)).cancelled = True


async def _keep_slots(conn: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    await conn.execute(
        """
        INSERT INTO crm.slot_times (slot_id, property_id, starts_at, ends_at)
        SELECT id, property, start, start + make_interval(mins => minutes)
        FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::int[])
          AS opened (id, property, start, minutes)
        ON CONFLICT (slot_id) DO NOTHING
        """,
        *zip(*rows, strict=True),
    )


async def _keep_tours(conn: Connection, tours: dict[UUID, _Tour]) -> None:
    gone = [key for key, tour in tours.items() if tour.cancelled]
    if gone:
        await conn.execute("DELETE FROM crm.tour_times WHERE tour_id = ANY($1::uuid[])", gone)
    rows = [
        (key, tour.org_id, tour.starts_at, tour.minutes, tour.agent_said, tour.agent_id)
        for key, tour in tours.items()
        if not tour.cancelled
    ]
    if not rows:
        return
    await conn.execute(
        """
        WITH said AS (
          SELECT id, org, start, start + make_interval(mins => minutes) AS finish,
            agent_said, agent
          FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::int[], $5::bool[],
            $6::uuid[]) AS said (id, org, start, minutes, agent_said, agent)
        ), changed AS (
          UPDATE crm.tour_times held
          SET starts_at = coalesce(said.start, held.starts_at),
              ends_at = coalesce(said.finish, held.ends_at),
              agent_id = CASE WHEN said.agent_said THEN said.agent ELSE held.agent_id END
          FROM said WHERE held.tour_id = said.id RETURNING held.tour_id
        )
        INSERT INTO crm.tour_times (tour_id, org_id, agent_id, starts_at, ends_at)
        SELECT id, org, agent, start, finish FROM said
        WHERE start IS NOT NULL AND agent_said AND id NOT IN (SELECT tour_id FROM changed)
        """,
        *zip(*rows, strict=True),
    )


async def overlapping_slots(conn: Connection, property_id: UUID, span: Span) -> list[UUID]:
    """The property's slots, ever opened, that share time with this span."""
    rows = await conn.fetch(
        "SELECT slot_id FROM crm.slot_times "
        "WHERE property_id = $1 AND ends_at > $2 AND starts_at < $3 ORDER BY slot_id",
        property_id,
        *span,
    )
    return [row["slot_id"] for row in rows]


async def tour_of_agent(
    conn: Connection, org_id: UUID, agent_id: UUID, span: Span, *, but: UUID
) -> UUID | None:
    """A tour, other than `but`, that the organisation's agent gives in this span, wherever."""
    found: UUID | None = await conn.fetchval(
        "SELECT tour_id FROM crm.tour_times WHERE agent_id = $1 AND ends_at > $2 "
        "AND starts_at < $3 AND tour_id <> $4 AND org_id = $5 ORDER BY starts_at LIMIT 1",
        agent_id,
        *span,
        but,
        org_id,
    )
    return found
