"""The use case of decided intake: the core must decide the same event that a producer sent."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from events.claims import KEY_FIELDS
from events.event import ChangeEvent, Event
from events.keys import store
from events.leads import LeadCaptured
from events.log import read
from events.log.erased_subjects import subject_ids
from events.log.errors import IdReused
from events.log.plain_append import PLAIN_EVENTS
from events.merges import LeadMerged
from events.record import Cause, Stream
from events.subjects import with_lead
from events.tours import TourRescheduled, TourScheduled
from services.application.command_handler import transact
from services.application.command_transaction import Database
from services.application.conversations import post_agent_answer
from services.application.known_leads import DecidedResult, complete_known_lead
from services.application.leads import find_contact_owners
from services.application.scope import Scope
from services.application.tours import execute_tour_command
from services.application.unit_of_work import UnitOfWork
from services.deciders.conversations import PostAgentAnswer
from services.deciders.decided_events import DecisionContext, command_for, normalize_details
from services.deciders.decider import Refused
from services.deciders.explanations import ExplainChange, explain_edit
from services.deciders.tours import TourCommand
from services.host import load_property

OMITTABLE_FIELDS = frozenset({"session_id", "lead_id", "previous_status", "slot_id"})
"""Fields that a producer may omit, because the core knows their values."""
NULLABLE_FIELDS = frozenset({"slot_id"})
"""Fields that a producer may send as null for the same reason."""
NORMALIZED_FIELDS = ("first_name", "last_name", "email", "phone")
IGNORED_FIELDS = frozenset(KEY_FIELDS.values())
"""Fields that only the core decides, whatever a producer sends."""


async def handle_decided_event(
    database: Database,
    event: Event,
    *,
    event_id: UUID,
    org_id: UUID,
    property_id: UUID,
    occurred_at: datetime,
    cause: Cause,
    reason: str | None = None,
) -> DecidedResult:
    """Append a producer's event if the core decides the same, with the consequences it decides.

    `reason`: why an operator sends it; it is recorded as an event of the lead.

    An event that the log has already is a duplicate and is not decided again. A new lead whose
    e-mail address the property knows completes the known lead instead. Raises `UnknownSubject` (a
    `Refused`) if its subject does not exist, `Refused` if the core decides otherwise, and
    `Conflict` after too many conflicts.
    """

    async def work(uow: UnitOfWork) -> DecidedResult:
        # In each attempt, because the country of the property may change between two of them.
        normalized = await _normalize(uow, event)
        if (recorded := await _find_in_log(uow, normalized, event_id)) is not None:
            return DecidedResult(recorded.lead, duplicates=(event_id,))
        context = await _context(uow, normalized)
        if isinstance(normalized, LeadCaptured):
            known = await complete_known_lead(uow, normalized, event_id, context)
            if known is not None:
                return known
        lead_id = (await _decide(uow, normalized, event_id, context)).lead
        if reason is not None and lead_id is not None:
            explained = explain_edit(event_id, lead_id, reason)
            await uow.execute(
                ExplainChange(explained.explanation_id, lead_id, event_id, explained.reason)
            )
        return DecidedResult(lead_id)

    scope = Scope(org_id, property_id, occurred_at, cause)
    is_plain = reason is None and type(event) in PLAIN_EVENTS
    outcome = await transact(database, scope, work, seed=event_id, is_plain=is_plain)
    appended = outcome.append_result
    return replace(
        outcome.result, new=appended.new,
        duplicates=(*outcome.result.duplicates, *appended.duplicates),
    )  # fmt: skip


async def _normalize(uow: UnitOfWork, event: Event) -> Event:
    """Return the event with its personal details as they are stored. Raises `Refused`."""
    if not any(getattr(event, name, None) for name in NORMALIZED_FIELDS):
        return event
    host_property = await load_property(uow.conn, uow.scope.property_id)
    return normalize_details(event, host_property.country)


async def _find_in_log(uow: UnitOfWork, event: Event, event_id: UUID) -> Event | None:
    """Return the event of the log with this id. Raises `IdReused` if it has another content."""
    row = await uow.conn.fetchrow(
        f"SELECT {read.COLUMNS} FROM public.crm_events WHERE id = $1", event_id
    )
    if row is None:
        return None
    [recorded] = await read.decode_rows(uow.conn, [row])
    if not isinstance(recorded.event, Event):
        raise IdReused(event_id)
    if event.lead != recorded.event.lead and recorded.property_id == uow.scope.property_id:
        event = await _with_recorded_lead(uow, event, recorded.event)
    is_same = differing_fields(event, recorded.event) == []
    # The content of an erased person cannot be compared: the same id is the same event.
    if not is_same and not await store.read_erased(uow.conn, subject_ids(recorded.event)):
        raise IdReused(event_id)
    return recorded.event


async def _with_recorded_lead(uow: UnitOfWork, event: Event, recorded: Event) -> Event:
    """Return the event with the lead of the recorded event if one of the two was ever merged.

    The first time, the event of a merged lead was decided for the surviving lead. The merge may
    have been undone since.
    """
    for lead in (event.lead, recorded.lead):
        for other in await uow.history(Stream("lead", lead)) if lead is not None else []:
            if isinstance(other.event, LeadMerged):
                return with_lead(event, recorded.lead)
    return event


async def _decide(uow: UnitOfWork, event: Event, event_id: UUID, context: DecisionContext) -> Event:
    """Decide the event's command, give the decided event the producer's id and return it.

    Raises `Refused` if nothing or something else is decided.
    """
    command = command_for(event, context)
    if isinstance(command, TourCommand):
        decided_events = await execute_tour_command(uow, command)
    elif isinstance(command, PostAgentAnswer):
        decided_events = await post_agent_answer(uow, command)
    else:
        decided_events = await uow.execute(command)
    if not decided_events:
        raise Refused("already_so", f"{event.name}: nothing to append, it is the present state")
    differences: list[str] = []
    for decided in decided_events:
        fields = differing_fields(await _with_decided_lead(uow, event, decided), decided)
        if fields == []:
            uow.assign_event_id(decided, event_id)
            return decided
        differences += fields or []
    if differences:
        raise Refused(
            "disagreed", f"{event.name}: the core decides otherwise on {', '.join(differences)}"
        )
    names = ", ".join(decided.name for decided in decided_events)
    raise Refused("disagreed", f"{event.name}: the core decides {names} instead")


async def _with_decided_lead(uow: UnitOfWork, event: Event, decided: Event) -> Event:
    """Return the event with the lead of the decided event if both leads are merged into one.

    The decided event has the surviving lead, or the merged one for what stays its own.
    """
    lead, decided_lead = event.lead, decided.lead
    if lead is None or decided_lead is None or lead == decided_lead:
        return event
    if await uow.surviving_lead(lead) != await uow.surviving_lead(decided_lead):
        return event
    return with_lead(event, decided_lead)


async def _context(uow: UnitOfWork, event: Event) -> DecisionContext:
    zone: str | None = None
    owner: UUID | None = None
    if isinstance(event, TourScheduled | TourRescheduled):
        zone = await uow.conn.fetchval(
            "SELECT settings ->> 'timezone' FROM public.properties WHERE id = $1",
            uow.scope.property_id,
        )
    email = getattr(event, "email", None)
    if email:
        owner = (await find_contact_owners(uow, email, None)).email
    return DecisionContext(uow.scope.at, zone, owner)


def differing_fields(proposed: Event, decided: Event) -> list[str] | None:
    """Return the fields in which two events differ; None if they are different events.

    An omittable field that the producer omitted is not a difference.
    """
    if type(proposed) is not type(decided) or proposed.stream_id != decided.stream_id:
        return None
    differing = [
        name
        for name in type(proposed).model_fields
        if name not in IGNORED_FIELDS
        and getattr(proposed, name) != getattr(decided, name)
        and (name in proposed.model_fields_set or name not in OMITTABLE_FIELDS)
        and (getattr(proposed, name) is not None or name not in NULLABLE_FIELDS)
    ]
    return differing + sorted(_changed_fields(proposed) ^ _changed_fields(decided))


def _changed_fields(event: Event) -> set[str]:
    """Return the changed fields of an event of changes, where null and absent are different."""
    return set(event.changes) if isinstance(event, ChangeEvent) else set()
