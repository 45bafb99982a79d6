"""Whom a command is for: what names a merged lead is meant for the lead it is known by.

Old ids keep working for every command there is, whoever sends it. What belongs to the merged lead
itself stays its own: its tours, its runs, and the sessions it was identified in.
"""

from dataclasses import replace
from typing import Any, Protocol
from uuid import UUID

from events.chat import SessionIdentified, SessionStarted
from events.record import RecordedEvent, Stream
from events.runs import RunEnrolled
from events.tours import TourScheduled
from services.deciders.leads import CaptureLead
from services.deciders.sessions import IdentifySession
from services.deciders.tours import TourCommand


class Histories(Protocol):
    """What happened so far, as one transaction sees it."""

    async def history(self, stream: Stream) -> list[RecordedEvent]:
        """What happened in a stream."""

    async def known_as(self, lead_id: UUID) -> UUID:
        """The lead that this one is known by: itself, where it was not merged."""


async def addressed(uow: Histories, command: Any) -> Any:
    """The command as it is to be decided."""
    match command:
        case CaptureLead():
            if command.known is None:
                return command
            return replace(command, known=await uow.known_as(command.known))
        case IdentifySession():
            return await _of_session(uow, command)
        case TourCommand():
            return await _of_tour(uow, command)
        case _:
            named = getattr(command, "lead_id", None)
            if not isinstance(named, UUID):
                return command
            meant = await _of_run(uow, getattr(command, "run_id", None), named)
            return command if meant == named else replace(command, lead_id=meant)


async def _of_session(uow: Histories, command: IdentifySession) -> IdentifySession:
    """A session of a merged lead stays its own, else every chat of it would count twice."""
    held: UUID | None = None
    for number, recorded in enumerate(await uow.history(Stream("session", command.session_id))):
        if isinstance(recorded.event, SessionIdentified) or (
            isinstance(recorded.event, SessionStarted) and not number
        ):
            held = recorded.event.lead_id
    if held == command.lead_id:
        return command
    known_as = await uow.known_as(command.lead_id)
    if held is not None and await uow.known_as(held) == known_as:
        return replace(command, lead_id=held)
    return replace(command, lead_id=known_as)


async def _of_run(uow: Histories, run_id: UUID | None, lead_id: UUID) -> UUID:
    """Whom a command is for: a run's own lead, where that is of the same person."""
    known_as = await uow.known_as(lead_id)
    for recorded in [] if run_id is None else await uow.history(Stream("run", run_id)):
        if isinstance(recorded.event, RunEnrolled):
            owner = recorded.event.lead_id
            return owner if await uow.known_as(owner) == known_as else known_as
    return known_as


async def _of_tour(uow: Histories, command: TourCommand) -> TourCommand:
    owner: UUID | None = None
    for recorded in await uow.history(Stream("tour", command.tour_id)):
        if isinstance(recorded.event, TourScheduled):
            owner = recorded.event.lead_id
    known_as = await uow.known_as(command.lead_id)
    if owner in (None, known_as):
        return replace(command, lead_id=known_as)
    ours = await uow.known_as(owner) == known_as
    return replace(command, lead_id=known_as, tour_lead=owner if ours else None)
