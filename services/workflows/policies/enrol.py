"""The policy `enrol`: a trigger event starts runs of the definitions that have its trigger."""

from datetime import datetime, timedelta
from uuid import UUID

from events.engagements import EngagementRecorded, EngagementType
from events.event import Event
from events.leads import LeadCaptured
from events.record import RecordedEvent, Stream
from events.timers import NO_SHOW_DELAY
from events.tours import (
    TourCancelled,
    TourCompleted,
    TourConfirmed,
    TourNoShowRecorded,
    TourRescheduled,
    TourScheduled,
)
from events.workflows import WorkflowActivated
from services.application.enrolment import TriggerEvent, enrol
from services.application.unit_of_work import UnitOfWork
from services.deciders import workflows
from services.deciders.decider import Refused
from services.deciders.restrictions import RESTRICTED
from services.deciders.workflows import Definition, Trigger
from services.runtime import metrics
from services.workflows.policies.policy import Policy, readable

TRIGGERS: dict[type[Event], Trigger] = {
    LeadCaptured: Trigger.LEAD_CREATED,
    TourScheduled: Trigger.TOUR_BOOKED,
    TourConfirmed: Trigger.TOUR_CONFIRMED,
    TourCancelled: Trigger.TOUR_CANCELLED,
    TourCompleted: Trigger.TOUR_COMPLETED,
    TourNoShowRecorded: Trigger.TOUR_NO_SHOW,
}
ENGAGEMENT_TRIGGERS = {
    EngagementType.APPLICATION_STARTED: Trigger.APPLICATION_STARTED,
    EngagementType.APPLICATION_SUBMITTED: Trigger.APPLICATION_SUBMITTED,
}
NO_RUN = frozenset({
    "definition_inactive", "trigger_too_old", "exit_status", "already_enrolled", "run_live",
    "too_soon", RESTRICTED,
})  # fmt: skip
"""Codes of refusals that the rules of a definition demand: no run starts, and nothing failed."""


def trigger_of(event: Event) -> Trigger | None:
    """Return the trigger that an event is; None if it is none."""
    if isinstance(event, EngagementRecorded):
        return ENGAGEMENT_TRIGGERS.get(event.event_type)
    return TRIGGERS.get(type(event))


async def find_definitions(uow: UnitOfWork, recorded: RecordedEvent) -> list[UUID]:
    """Return the definitions of the property that were active, with this trigger, at the event."""
    trigger = trigger_of(readable(recorded))
    if trigger is None:
        return []
    rows = await uow.conn.fetch(
        "SELECT entity_id, min(seq) AS first FROM public.crm_events "
        "WHERE event_type = $1 AND property_id = $2 GROUP BY entity_id ORDER BY first",
        WorkflowActivated.name,
        uow.scope.property_id,
    )
    found = []
    for row in rows:
        definition = await _definition_at(uow, row["entity_id"], recorded.position)
        content = definition.content
        if definition.is_active and content is not None and content.trigger_on == trigger:
            found.append(row["entity_id"])
    return found


async def act(uow: UnitOfWork, recorded: RecordedEvent, definition_id: UUID) -> None:
    """Start a run of the definition, unless its rules say that none starts."""
    event = readable(recorded)
    trigger, lead_id = trigger_of(event), recorded.lead_id
    if trigger is None or lead_id is None:
        return
    tour_id: UUID | None = getattr(event, "tour_id", None)
    revision, occurred_at = None, recorded.occurred_at
    if tour_id is not None:
        revision = await _tour_revision(uow, tour_id, recorded.position)
        if trigger is Trigger.TOUR_NO_SHOW:
            # After a long downtime the no-show is recorded late. The lead was missed at the tour.
            became_at = await _no_show_time(uow, tour_id, recorded.position)
            occurred_at = occurred_at if became_at is None else min(occurred_at, became_at)
    cause = TriggerEvent(trigger, recorded.id, occurred_at, tour_id, revision)
    try:
        await enrol(uow, definition_id, lead_id, cause)
    except Refused as refused:
        if refused.code not in NO_RUN:
            raise
        metrics.NO_RUN.labels(refused.code).inc()


async def _definition_at(uow: UnitOfWork, definition_id: UUID, position: int) -> Definition:
    """Return the state of a definition as of a position of the log."""
    state = Definition()
    for earlier in await uow.history(Stream("definition", definition_id)):
        if 0 < earlier.position < position and isinstance(earlier.event, Event):
            state = workflows.evolve(state, earlier.event)
    return state


async def _tour_revision(uow: UnitOfWork, tour_id: UUID, position: int) -> int:
    """Return how often a tour was moved up to a position of the log."""
    history = await uow.history(Stream("tour", tour_id))
    return sum(
        isinstance(earlier.event, TourRescheduled) and 0 < earlier.position <= position
        for earlier in history
    )


async def _no_show_time(uow: UnitOfWork, tour_id: UUID, position: int) -> datetime | None:
    """Return when the tour became a no-show, one hour after its end as of a position.

    None if the log does not have the tour.
    """
    ends = [
        earlier.event.starts_at + timedelta(minutes=earlier.event.duration_minutes)
        for earlier in await uow.history(Stream("tour", tour_id))
        if isinstance(earlier.event, TourScheduled | TourRescheduled)
        and 0 < earlier.position <= position
    ]
    return ends[-1] + NO_SHOW_DELAY if ends else None


ENROL = Policy("enrol", (*TRIGGERS, EngagementRecorded), find_definitions, act)
