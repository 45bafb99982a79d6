"""The occurrences in a lead's history since the trigger of one of its runs, from the log."""

from uuid import UUID

from events.event import Event
from events.log import read
from events.record import Origin
from services.application.unit_of_work import UnitOfWork
from services.deciders import runs
from services.deciders.occurrences import OCCURRING, Occurrence, occurrence_of

MAX_EVENTS = 1_000


async def list_occurrences(uow: UnitOfWork, run_id: UUID, lead_id: UUID) -> list[Occurrence]:
    """Return what happened to a lead since the run started, the oldest first.

    A run starts with its trigger event, also if it was enrolled later. History that was imported
    since does not count.
    """
    run = await uow.load(runs.decider, run_id)
    rows = await uow.conn.fetch(
        f"SELECT {read.COLUMNS} FROM public.crm_events WHERE lead_id = $1 AND origin = $2 "
        "AND event_type = ANY($3::text[]) AND seq > (SELECT coalesce(cause.seq, run.seq) "
        "FROM public.crm_events run LEFT JOIN public.crm_events cause "
        "ON cause.id = (run.payload ->> 'trigger_event_id')::uuid "
        "WHERE run.entity_type = 'run' AND run.entity_id = $4 AND run.version = 1) "
        "ORDER BY seq LIMIT $5",
        lead_id,
        Origin.LIVE.value,
        [kind.name for kind in OCCURRING],
        run_id,
        MAX_EVENTS,
    )
    found: list[Occurrence] = []
    for recorded in await read.decode_rows(uow.conn, rows):
        event = recorded.event
        occurrence = occurrence_of(event, run.tour_id) if isinstance(event, Event) else None
        if occurrence is not None:
            found.append(occurrence)
    return found
