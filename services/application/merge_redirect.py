"""Whom a command is for: what names a merged lead is meant for the lead it is known by.

Old ids keep working for every command there is, whoever sends it. What belongs to the merged lead
itself stays its own: its tours, its runs, and the sessions it was identified in.
"""

from dataclasses import replace
from typing import Any, Protocol
from uuid import UUID

from events.chat import SessionIdentified, SessionStarted
from events.record import Recorded, Stream
from events.runs import RunEnrolled
from events.tours import TourScheduled
from services.deciders.leads import CaptureLead
from services.deciders.sessions import IdentifySession
from services.deciders.tours import TourCommand


class Histories(Protocol):
    """What happened so far, as one transaction sees it."""

    async def history(self, stream: Stream) -> list[Recorded]:
        """What happened in a stream."""

    async def known_as(self, lead_id: UUID) -> UUID:
        """The lead that this one is known by: itself, where it was not merged."""


async def addressed(unit: Histories, command: Any) -> Any:
    """The command as it is to be decided."""
    match command:
        case CaptureLead():
            if command.known is None:
                return command
            return replace(command, known=await unit.known_as(command.known))
        case IdentifySession():
            return await _of_session(unit, command)
        case TourCommand():
            return await _of_tour(unit, command)
        case _:
            named = getattr(command, "lead_id", None)
            if not isinstance(named, UUID):
                return command
            meant = await _of_run(unit, getattr(command, "run_id", None), named)
            return command if meant == named else replace(command, lead_id=meant)


async def _of_session(unit: Histories, command: IdentifySession) -> IdentifySession:
    """A session of a merged lead stays its own, else every chat of it would count twice."""
    held: UUID | None = None
    for number, fact in enumerate(await unit.history(Stream("session", command.session_id))):
        if isinstance(fact.event, SessionIdentified) or (
            isinstance(fact.event, SessionStarted) and not number
        ):
            held = fact.event.lead_id
    if held == command.lead_id:
        return command
    known_as = await unit.known_as(command.lead_id)
    if held is not None and await unit.known_as(held) == known_as:
        return replace(command, lead_id=held)
    return replace(command, lead_id=known_as)


async def _of_run(unit: Histories, run_id: UUID | None, lead_id: UUID) -> UUID:
    """Whom a command is for: a run's own lead, where that is of the same person."""
    known_as = await unit.known_as(lead_id)
    for fact in [] if run_id is None else await unit.history(Stream("run", run_id)):
        if isinstance(fact.event, RunEnrolled):
            owner = fact.event.lead_id
            return owner if await unit.known_as(owner) == known_as else known_as
    return known_as


async def _of_tour(unit: Histories, command: TourCommand) -> TourCommand:
    owner: UUID | None = None
    for fact in await unit.history(Stream("tour", command.tour_id)):
        if isinstance(fact.event, TourScheduled):
            owner = fact.event.lead_id
    known_as = await unit.known_as(command.lead_id)
    if owner in (None, known_as):
        return replace(command, lead_id=known_as)
    ours = await unit.known_as(owner) == known_as
    return replace(command, lead_id=known_as, tour_lead=owner if ours else None)
