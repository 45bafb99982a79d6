"""A producer says that something happened: the core's own decision must be the very same."""

from datetime import datetime
from uuid import UUID

from events.event import Event
from events.leads import LeadMerged
from events.log import read
from events.log.append import Appended
from events.log.errors import IdReused
from events.record import Cause, Recorded, Stream
from events.tours import TourRescheduled, TourScheduled
from services.application.command_handler import Database, transact
from services.application.tours import carry_out
from services.application.unit_of_work import Scope, Unit
from services.deciders.decided_events import Known, disagreement, propose, said_of
from services.deciders.decider import Refused
from services.deciders.tours import TourCommand


async def handle_proposal(
    database: Database,
    event: Event,
    *,
    event_id: UUID,
    org_id: UUID,
    property_id: UUID,
    occurred_at: datetime,
    cause: Cause,
) -> Appended:
    """Append what a producer says happened, where the core decides the very same.

    What else the core decides with it is appended too. An event the log has already is known and
    not decided again. Raises `UnknownSubject` (a `Refused`) where what it is about has not begun,
    `Refused` with a code, `Conflict` where races keep being lost.
    """

    async def work(unit: Unit) -> bool:
        known = await _recognised(unit, event, event_id)
        if not known:
            await _agree(unit, event, event_id)
        return known

    scope = Scope(org_id, property_id, occurred_at, cause)
    handled = await transact(database, scope, work, seed=event_id)
    return Appended((), (event_id,)) if handled.result else handled.appended


async def _recognised(unit: Unit, event: Event, event_id: UUID) -> bool:
    """Is this very event in the log already? Raises `IdReused` where the id says another thing."""
    row = await unit.conn.fetchrow(
        f"SELECT {read.COLUMNS} FROM public.crm_events WHERE id = $1", event_id
    )
    if row is None:
        return False
    fact: Recorded = read.recorded(row)
    if not isinstance(fact.event, Event):
        raise IdReused(event_id)
    said = event
    if event.lead != fact.event.lead and fact.property_id == unit.scope.property_id:
        said = await _once_meant(unit, event, fact.event)
    if disagreement(said, fact.event) != []:
        raise IdReused(event_id)
    return True


async def _once_meant(unit: Unit, event: Event, kept: Event) -> Event:
    """What was proposed about one lead may have been decided about another: they were merged then,
    and need not be any more."""
    named = [lead for lead in (event.lead, kept.lead) if lead is not None]
    for lead in named:
        for fact in await unit.history(Stream("lead", lead)):
            if isinstance(fact.event, LeadMerged):
                return said_of(event, kept.lead)
    return event


async def _agree(unit: Unit, event: Event, event_id: UUID) -> None:
    """Decide what is proposed, and keep it under the producer's id. Raises `Refused`."""
    command = propose(event, await _known(unit, event))
    if isinstance(command, TourCommand):
        decided = await carry_out(unit, command)
    else:
        decided = await unit.do(command)
    if not decided:
        raise Refused("already_so", f"{event.name}: it is so already, there is nothing to say")
    differing: list[str] = []
    for each in decided:
        fields = disagreement(await _meant(unit, event, each), each)
        if fields == []:
            unit.give_id(each, event_id)
            return
        differing += fields or []
    if differing:
        raise Refused(
            "disagreed", f"{event.name}: the core decides otherwise on {', '.join(differing)}"
        )
    names = ", ".join(each.name for each in decided)
    raise Refused("disagreed", f"{event.name}: the core decides {names} instead")


async def _meant(unit: Unit, event: Event, decided: Event) -> Event:
    """What is said of a merged lead is meant for the one it is known by, and the other way round
    for what stays the merged lead's own."""
    said, meant = event.lead, decided.lead
    if said is None or meant is None or said == meant:
        return event
    if await unit.known_as(said) != await unit.known_as(meant):
        return event
    return said_of(event, meant)


async def _known(unit: Unit, event: Event) -> Known:
    zone: str | None = None
    owner: UUID | None = None
    if isinstance(event, TourScheduled | TourRescheduled):
        zone = await unit.conn.fetchval(
            "SELECT settings ->> 'timezone' FROM public.properties WHERE id = $1",
            unit.scope.property_id,
        )
    email = getattr(event, "email", None)
    if email:
        owner = (await unit.owner_of_contact(email, None)).email
    return Known(unit.scope.at, zone, owner)
