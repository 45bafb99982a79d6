"""The use case of an enrolment: a lead starts a run of a workflow definition."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from events.record import Stream
from events.runs import RunEnrolled
from services.application.merged_leads import list_members
from services.application.unit_of_work import UnitOfWork
from services.deciders import enrolments, leads, runs, workflows
from services.deciders.decider import Refused, UnknownSubject
from services.deciders.enrolments import (
    MANUAL,
    EarlierRun,
    EnrolLead,
    Enrolment,
    choose_key,
    run_id_of,
)
from services.deciders.runs import LIVE
from services.host import load_property

MAX_RUNS = 1_000


@dataclass(frozen=True, slots=True)
class TriggerEvent:
    """The event that starts runs: its id and time, and its tour if it is one of a tour."""

    name: str
    event_id: UUID
    occurred_at: datetime
    tour_id: UUID | None = None
    tour_revision: int | None = None


async def enrol(uow: UnitOfWork, definition_id: UUID, lead_id: UUID, trigger: TriggerEvent) -> UUID:
    """Start the run of a definition that a trigger event starts, and return its id.

    A repetition changes nothing. Raises `Refused` with the reason why no run starts: the codes
    `definition_inactive`, `trigger_too_old`, `exit_status`, `already_enrolled`, `run_live`,
    `too_soon`, `restricted`, and `unknown_subject`.
    """
    definition = await uow.load(workflows.decider, definition_id)
    if definition.content is None:
        raise UnknownSubject(Stream("definition", definition_id))
    lead_id = await _lock_surviving_lead(uow, lead_id)
    key = choose_key(definition.content, trigger.event_id)
    run_id = run_id_of(lead_id, definition_id, key)
    host_property = await load_property(uow.conn, uow.scope.property_id)
    await uow.execute(EnrolLead(
        run_id, lead_id, definition_id, trigger.name, key, uow.scope.at, host_property.zone_name,
        await _list_earlier_runs(uow, lead_id, definition_id), triggered_at=trigger.occurred_at,
        trigger_event_id=trigger.event_id, tour_id=trigger.tour_id,
        tour_revision=trigger.tour_revision,
    ))  # fmt: skip
    return run_id


async def start_by_hand(
    uow: UnitOfWork,
    definition_id: UUID,
    lead_id: UUID,
    *,
    start_id: UUID,
    step_number: int = 0,
    enrolled_by: UUID | None = None,
) -> UUID:
    """Start a run because a person wants it, and return its id. `start_id` names the request.

    The lead may have run through the workflow before, but must not be in it now. Raises `Refused`.
    """
    lead_id = await _lock_surviving_lead(uow, lead_id)
    key = f"{MANUAL}/{start_id}"
    run_id = run_id_of(lead_id, definition_id, key)
    host_property = await load_property(uow.conn, uow.scope.property_id)
    await uow.execute(EnrolLead(
        run_id, lead_id, definition_id, MANUAL, key, uow.scope.at, host_property.zone_name,
        await _list_earlier_runs(uow, lead_id, definition_id), step_number=step_number,
        enrolled_by=enrolled_by,
    ))  # fmt: skip
    return run_id


async def find_obstacle(uow: UnitOfWork, definition_id: UUID, lead_id: UUID) -> Refused | None:
    """Return why the trigger of a definition would start no run of the lead now; None if it would.

    The definition is taken as active. Nothing is written and nothing is locked.
    """
    definition = await uow.load(workflows.decider, definition_id)
    lead_id = await uow.surviving_lead(lead_id)
    if definition.content is None:
        raise UnknownSubject(Stream("definition", definition_id))
    key = choose_key(definition.content, definition_id)
    run_id = run_id_of(lead_id, definition_id, key)
    lead = await uow.load(leads.decider, lead_id)
    state = Enrolment(definition=replace(definition, is_active=True), lead=lead)
    host_property = await load_property(uow.conn, uow.scope.property_id)
    command = EnrolLead(
        run_id, lead_id, definition_id, definition.content.trigger_on, key, uow.scope.at,
        host_property.zone_name, await _list_earlier_runs(uow, lead_id, definition_id),
        triggered_at=uow.scope.at,
    )  # fmt: skip
    try:
        enrolments.decide(command, state)
    except UnknownSubject:
        raise
    except Refused as refused:
        return refused
    return None


async def _lock_surviving_lead(uow: UnitOfWork, lead_id: UUID) -> UUID:
    """Lock the lead: its enrolments and merges wait for each other. Return the surviving lead."""
    await uow.lock(Stream("lead", lead_id))
    survivor = await uow.surviving_lead(lead_id)
    if survivor != lead_id:
        await uow.lock(Stream("lead", survivor))
    return survivor


async def _list_earlier_runs(
    uow: UnitOfWork, lead_id: UUID, definition_id: UUID
) -> tuple[EarlierRun, ...]:
    """Return the runs of the lead, and of those merged into it, in the definition."""
    rows = await uow.conn.fetch(
        "SELECT entity_id FROM public.crm_events WHERE lead_id = ANY($1::uuid[]) "
        "AND property_id = $2 AND event_type = $3 AND payload ->> 'definition_id' = $4 "
        "ORDER BY seq DESC LIMIT $5",
        await list_members(uow, lead_id),
        uow.scope.property_id,
        RunEnrolled.name,
        str(definition_id),
        MAX_RUNS,
    )
    earlier = []
    for row in rows:
        run_id: UUID = row["entity_id"]
        history = await uow.history(Stream("run", run_id))
        is_live = (await uow.load(runs.decider, run_id)).status in LIVE
        earlier.append(EarlierRun(run_id, history[0].occurred_at, is_live))
    return tuple(earlier)
