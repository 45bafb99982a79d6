"""A producer says that something happened: the core's own decision must be the very same."""

from datetime import datetime
from uuid import UUID

from events.event import Event
from events.leads import LeadMerged
from events.log import read
from events.log.append import Appended
from events.log.errors import IdReused
from events.record import Cause, RecordedEvent, Stream
from events.tours import TourRescheduled, TourScheduled
from services.application.command_handler import Database, transact
from services.application.tours import carry_out
from services.application.unit_of_work import Scope, UnitOfWork
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

    async def work(uow: UnitOfWork) -> bool:
        known = await _recognised(uow, event, event_id)
        if not known:
            await _agree(uow, event, event_id)
        return known

    scope = Scope(org_id, property_id, occurred_at, cause)
    handled = await transact(database, scope, work, seed=event_id)
    return Appended((), (event_id,)) if handled.result else handled.appended


async def _recognised(uow: UnitOfWork, event: Event, event_id: UUID) -> bool:
    """Is this very event in the log already? Raises `IdReused` where the id says another thing."""
    row = await uow.conn.fetchrow(
        f"SELECT {read.COLUMNS} FROM public.crm_events WHERE id = $1", event_id
    )
    if row is None:
        return False
    recorded: RecordedEvent = read.decode(row)
    if not isinstance(recorded.event, Event):
        raise IdReused(event_id)
    said = event
    if event.lead != recorded.event.lead and recorded.property_id == uow.scope.property_id:
        said = await _once_meant(uow, event, recorded.event)
    if disagreement(said, recorded.event) != []:
        raise IdReused(event_id)
    return True


async def _once_meant(uow: UnitOfWork, event: Event, kept: Event) -> Event:
    """What was proposed about one lead may have been decided about another: they were merged then,
    and need not be any more."""
    named = [lead for lead in (event.lead, kept.lead) if lead is not None]
    for lead in named:
        for recorded in await uow.history(Stream("lead", lead)):
            if isinstance(recorded.event, LeadMerged):
                return said_of(event, kept.lead)
    return event


async def _agree(uow: UnitOfWork, event: Event, event_id: UUID) -> None:
    """Decide what is proposed, and keep it under the producer's id. Raises `Refused`."""
    command = propose(event, await _known(uow, event))
    if isinstance(command, TourCommand):
        decided = await carry_out(uow, command)
    else:
        decided = await uow.do(command)
    if not decided:
        raise Refused("already_so", f"{event.name}: it is so already, there is nothing to say")
    differing: list[str] = []
    for each in decided:
        fields = disagreement(await _meant(uow, event, each), each)
        if fields == []:
            uow.give_id(each, event_id)
            return
        differing += fields or []
    if differing:
        raise Refused(
            "disagreed", f"{event.name}: the core decides otherwise on {', '.join(differing)}"
        )
    names = ", ".join(each.name for each in decided)
    raise Refused("disagreed", f"{event.name}: the core decides {names} instead")


async def _meant(uow: UnitOfWork, event: Event, decided: Event) -> Event:
    """What is said of a merged lead is meant for the one it is known by, and the other way round
    for what stays the merged lead's own."""
    said, meant = event.lead, decided.lead
    if said is None or meant is None or said == meant:
        return event
    if await uow.known_as(said) != await uow.known_as(meant):
        return event
    return said_of(event, meant)


async def _known(uow: UnitOfWork, event: Event) -> Known:
    zone: str | None = None
    owner: UUID | None = None
    if isinstance(event, TourScheduled | TourRescheduled):
        zone = await uow.conn.fetchval(
            "SELECT settings ->> 'timezone' FROM public.properties WHERE id = $1",
            uow.scope.property_id,
        )
    email = getattr(event, "email", None)
    if email:
        owner = (await uow.owner_of_contact(email, None)).email
    return Known(uow.scope.at, zone, owner)
