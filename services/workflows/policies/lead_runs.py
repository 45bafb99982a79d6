"""The runs that an event of a lead concerns."""

from uuid import UUID

from events.record import RecordedEvent
from events.runs import RunCompleted, RunConverted, RunEnrolled, RunStopped
from services.application.unit_of_work import UnitOfWork

MAX_RUNS = 1_000
ENDS = [kind.name for kind in (RunStopped, RunConverted, RunCompleted)]


async def find_earlier_runs(uow: UnitOfWork, recorded: RecordedEvent) -> list[UUID]:
    """Return the live runs of the event's lead, or of its survivor, that started before the event.

    A run starts with its trigger event, also if it was enrolled later: events between count. A run
    that the event itself started is not among them.
    """
    if recorded.lead_id is None:
        return []
    leads = {recorded.lead_id, await uow.surviving_lead(recorded.lead_id)}
    rows = await uow.conn.fetch(
        """
        SELECT run.entity_id FROM public.crm_events run
        LEFT JOIN public.crm_events trigger_event
          ON trigger_event.id = (run.payload ->> 'trigger_event_id')::uuid
        WHERE run.lead_id = ANY($1::uuid[]) AND run.event_type = $2 AND run.property_id = $3
          AND coalesce(trigger_event.position, run.position) < $4
          AND NOT EXISTS (SELECT FROM public.crm_events ended WHERE ended.entity_type = 'run'
            AND ended.entity_id = run.entity_id AND ended.event_type = ANY($5::text[]))
        ORDER BY run.seq LIMIT $6
        """,
        list(leads),
        RunEnrolled.name,
        uow.scope.property_id,
        recorded.position,
        ENDS,
        MAX_RUNS,
    )
    return [row["entity_id"] for row in rows]
