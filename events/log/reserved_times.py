"""Times of slots and tours: rows derived from events, written in the append's transaction.

Deciders need them to find overlaps before the projections contain the events.
"""

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
TIME_EVENTS = (SlotOpened, TourScheduled, TourRescheduled, TourAmended, TourCancelled)


@dataclass(slots=True)
class _TourChange:
    """The net change of a tour by several events; None and False mean unchanged."""

    org_id: UUID
    starts_at: datetime | None = None
    minutes: int | None = None
    has_agent: bool = False
    agent_id: UUID | None = None
    is_cancelled: bool = False


async def store_times(conn: Connection, events: Sequence[NewEvent]) -> None:
    """Update the rows with these events, which were appended in the same transaction."""
    relevant = [new for new in events if isinstance(new.event, TIME_EVENTS)]
    if not relevant:
        return
    slots = {
        new.event.slot_id: (new.event.slot_id, new.property_id, new.event.starts_at,
                            new.event.duration_minutes)
        for new in relevant if isinstance(new.event, SlotOpened)
    }  # fmt: skip
    if slots:
        await _store_slots(conn, list(slots.values()))
    tours: dict[UUID, _TourChange] = {}
    for new in relevant:
        if not isinstance(new.event, SlotOpened):
            _fold(tours, new.org_id, new.event)
    if tours:
        await _store_tours(conn, tours)


def _fold(tours: dict[UUID, _TourChange], org_id: UUID, event: Event) -> None:
    match event:
        case TourScheduled() | TourRescheduled():
            tour = tours.setdefault(event.tour_id, _TourChange(org_id))
            tour.starts_at, tour.minutes = event.starts_at, event.duration_minutes
            if isinstance(event, TourScheduled):
                tour.has_agent, tour.agent_id = True, event.assigned_agent_id
        case TourAmended() if "assigned_agent_id" in event.changes:
            tour = tours.setdefault(event.tour_id, _TourChange(org_id))
            tour.has_agent, tour.agent_id = True, event.assigned_agent_id
        case TourCancelled():
            tours.setdefault(event.tour_id, _TourChange(org_id)).is_cancelled = True


async def _store_slots(conn: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
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


async def _store_tours(conn: Connection, tours: dict[UUID, _TourChange]) -> None:
    cancelled = [key for key, tour in tours.items() if tour.is_cancelled]
    if cancelled:
        await conn.execute("DELETE FROM crm.tour_times WHERE tour_id = ANY($1::uuid[])", cancelled)
    rows = [
        (key, tour.org_id, tour.starts_at, tour.minutes, tour.has_agent, tour.agent_id)
        for key, tour in tours.items()
        if not tour.is_cancelled
    ]
    if not rows:
        return
    await conn.execute(
        """
        WITH change AS (
          SELECT id, org, start, start + make_interval(mins => minutes) AS finish,
            has_agent, agent
          FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::int[], $5::bool[],
            $6::uuid[]) AS given (id, org, start, minutes, has_agent, agent)
        ), changed AS (
          UPDATE crm.tour_times stored
          SET starts_at = coalesce(change.start, stored.starts_at),
              ends_at = coalesce(change.finish, stored.ends_at),
              agent_id = CASE WHEN change.has_agent THEN change.agent ELSE stored.agent_id END
          FROM change WHERE stored.tour_id = change.id RETURNING stored.tour_id
        )
        INSERT INTO crm.tour_times (tour_id, org_id, agent_id, starts_at, ends_at)
        SELECT id, org, agent, start, finish FROM change
        WHERE start IS NOT NULL AND has_agent AND id NOT IN (SELECT tour_id FROM changed)
        """,
        *zip(*rows, strict=True),
    )


async def find_overlapping_slots(conn: Connection, property_id: UUID, span: Span) -> list[UUID]:
    """Return the slots of the property, open or closed, that overlap with `span`."""
    rows = await conn.fetch(
        "SELECT slot_id FROM crm.slot_times "
        "WHERE property_id = $1 AND ends_at > $2 AND starts_at < $3 ORDER BY slot_id",
        property_id,
        *span,
    )
    return [row["slot_id"] for row in rows]


async def find_tour_of_agent(
    conn: Connection, org_id: UUID, agent_id: UUID, span: Span, *, except_tour_id: UUID
) -> UUID | None:
    """Return a tour of the agent in `span`, in any property of the organisation, or None."""
    tour_id: UUID | None = await conn.fetchval(
        "SELECT tour_id FROM crm.tour_times WHERE agent_id = $1 AND ends_at > $2 "
        "AND starts_at < $3 AND tour_id <> $4 AND org_id = $5 ORDER BY starts_at LIMIT 1",
        agent_id,
        *span,
        except_tour_id,
        org_id,
    )
    return tour_id
