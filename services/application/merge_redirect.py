"""The redirect of commands for a merged lead to the surviving lead.

Ids of merged leads keep working in every command. Tours, runs and sessions of the merged lead stay
its own: their events keep its id.
"""

from dataclasses import replace
from typing import Any, Protocol
from uuid import UUID

from events.merges import LeadMerged, LeadUnmerged
from events.record import RecordedEvent, Stream
from events.runs import RunEnrolled
from events.sessions import SessionIdentified, SessionStarted
from events.tours import TourScheduled
from services.deciders.leads import CaptureLead
from services.deciders.sessions import IdentifySession
from services.deciders.tours import TourCommand


class HistoryReader(Protocol):
    """The part of a unit of work that a redirect needs."""

    async def history(self, stream: Stream) -> list[RecordedEvent]:
        """Return the events of a stream."""

    async def surviving_lead(self, lead_id: UUID) -> UUID:
        """Return the lead that this one was merged into at last; itself if it was not merged."""


async def find_leads_above(uow: HistoryReader, lead_id: UUID) -> tuple[UUID, ...]:
    """Return the lead that this one was merged into, the lead above that one, and so on."""
    above: list[UUID] = []
    winner: UUID | None = lead_id
    while winner is not None:
        stream, winner = Stream("lead", winner), None
        for recorded in await uow.history(stream):
            if isinstance(recorded.event, LeadMerged):
                winner = recorded.event.winner_id
            elif isinstance(recorded.event, LeadUnmerged):
                winner = None
        above += [winner] if winner else []
    return tuple(above)


async def redirect_command(uow: HistoryReader, command: Any) -> Any:
    """Return the command with the lead that it is to be decided for."""
    match command:
        case CaptureLead():
            if command.existing_lead is None:
                return command
            return replace(command, existing_lead=await uow.surviving_lead(command.existing_lead))
        case IdentifySession():
            return await _redirect_session(uow, command)
        case TourCommand():
            return await _redirect_tour(uow, command)
        case _:
            if not isinstance(command.lead_id, UUID):
                return command
            run_id = getattr(command, "run_id", None)
            lead_id = await _lead_of_run(uow, run_id, command.lead_id)
            return command if lead_id == command.lead_id else replace(command, lead_id=lead_id)


async def _redirect_session(uow: HistoryReader, command: IdentifySession) -> IdentifySession:
    """Keep the lead of a session if it was merged into the same lead.

    Otherwise each chat of the session would count as an engagement of both leads.
    """
    session_lead: UUID | None = None
    history = await uow.history(Stream("session", command.session_id))
    for number, recorded in enumerate(history):
        is_first_start = isinstance(recorded.event, SessionStarted) and not number
        if isinstance(recorded.event, SessionIdentified) or is_first_start:
            session_lead = recorded.lead_id
    if session_lead == command.lead_id:
        return command
    survivor = await uow.surviving_lead(command.lead_id)
    if session_lead is not None and await uow.surviving_lead(session_lead) == survivor:
        return replace(command, lead_id=session_lead)
    return replace(command, lead_id=survivor)


async def _lead_of_run(uow: HistoryReader, run_id: UUID | None, lead_id: UUID) -> UUID:
    """Return the lead of a run if it was merged into the same lead, else the surviving lead."""
    survivor = await uow.surviving_lead(lead_id)
    for recorded in [] if run_id is None else await uow.history(Stream("run", run_id)):
        if isinstance(recorded.event, RunEnrolled):
            run_lead = recorded.event.lead_id
            if run_lead == lead_id:
                return lead_id
            return run_lead if await uow.surviving_lead(run_lead) == survivor else survivor
    return survivor


async def _redirect_tour(uow: HistoryReader, command: TourCommand) -> TourCommand:
    tour_lead: UUID | None = None
    for recorded in await uow.history(Stream("tour", command.tour_id)):
        if isinstance(recorded.event, TourScheduled):
            tour_lead = recorded.event.lead_id
    survivor = await uow.surviving_lead(command.lead_id)
    if tour_lead is None or tour_lead == survivor:
        return replace(command, lead_id=survivor)
    is_same_person = await uow.surviving_lead(tour_lead) == survivor
    return replace(command, lead_id=survivor, tour_lead=tour_lead if is_same_person else None)
