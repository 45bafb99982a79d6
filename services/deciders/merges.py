"""Merges: two leads of a property turn out to be one person; and that this was a mistake."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeAlias, assert_never
from uuid import UUID

from events.consents import ConsentChannel, ConsentGiven, ConsentWithdrawn, consent_id
from events.event import Event
from events.leads import LeadMerged, LeadUnmerged, LeadUpdated
from events.record import Stream
from events.runs import RunCompleted, RunConverted, RunEnrolled, RunStopped
from services.deciders import leads
from services.deciders.decider import Decider, Refused, UnknownSubject
from services.deciders.fields import without_nulls
from services.deciders.leads import Lead

FILLED = ("first_name", "last_name", "email", "phone", "move_in_date", "bedrooms", "notes")
"""The details a winner takes from its loser where it has none; its source stays its own."""
PLACE = "merge"
"""Where a consent was withdrawn that nobody withdrew by word."""


@dataclass(frozen=True, slots=True)
class MergeLeads:
    """The loser is the same person as the winner, which is merged into no other lead.

    `run_ids` are the loser's workflow runs, live or not.
    """

    loser_id: UUID
    winner_id: UUID
    at: datetime
    run_ids: tuple[UUID, ...] = ()
    reason: str | None = None
    merged_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class UnmergeLead:
    """The loser is somebody else. `above`: the lead it was merged into, the one that was merged
    into, and so on to the lead they are known by."""

    loser_id: UUID
    above: tuple[UUID, ...]
    at: datetime
    reason: str | None = None
    unmerged_by: UUID | None = None


Command: TypeAlias = MergeLeads | UnmergeLead


@dataclass(frozen=True, slots=True)
class People:
    """The leads of a merge by id, which of their consents stand (by stream), which runs live."""

    leads: Mapping[UUID, Lead] = field(default_factory=dict)
    consents: Mapping[UUID, bool] = field(default_factory=dict)
    runs: Mapping[UUID, bool] = field(default_factory=dict)

    def withdrawn(self, lead_id: UUID) -> set[ConsentChannel]:
        """The channels this lead wants nothing on any more."""
        return {c for c in ConsentChannel if self.consents.get(consent_id(lead_id, c)) is False}


def streams(command: Command) -> Sequence[Stream]:
    match command:
        case MergeLeads():
            both = (command.loser_id, command.winner_id)
            runs = [Stream("run", run_id) for run_id in command.run_ids]
            return [*_leads(both), *_consents(both), *runs]
        case UnmergeLead():
            ids = (command.loser_id, *command.above)
            return [*_leads(ids), *_consents((command.loser_id, *command.above[-1:]))]
        case _:
            assert_never(command)


def _leads(ids: Iterable[UUID]) -> list[Stream]:
    return [Stream("lead", lead_id) for lead_id in ids]


def _consents(ids: Iterable[UUID]) -> list[Stream]:
    return [
        Stream("consent", consent_id(one, channel)) for one in ids for channel in ConsentChannel
    ]


def evolve(state: People, event: Event) -> People:
    match event:
        case ConsentGiven() | ConsentWithdrawn():
            given = isinstance(event, ConsentGiven)
            return replace(state, consents={**state.consents, event.consent_id: given})
        case RunEnrolled():
            return replace(state, runs={**state.runs, event.run_id: True})
        case RunStopped() | RunConverted() | RunCompleted():
            return replace(state, runs={**state.runs, event.run_id: False})
        case _ if event.stream == "lead":
            known = state.leads.get(event.stream_id, Lead())
            return replace(
                state, leads={**state.leads, event.stream_id: leads.evolve(known, event)}
            )
        case _:
            return state


def decide(command: Command, state: People) -> list[Event]:
    match command:
        case MergeLeads():
            return _merge(command, state)
        case UnmergeLead():
            return _unmerge(command, state)
        case _:
            assert_never(command)


def _merge(command: MergeLeads, state: People) -> list[Event]:
    loser, winner = _demand(state, command.loser_id), _demand(state, command.winner_id)
    if command.loser_id == command.winner_id:
        raise Refused("same_lead", "these are one lead already: name another one to merge with")
    if loser.merged_into == command.winner_id:
        return []
    for lead_id, lead in ((command.loser_id, loser), (command.winner_id, winner)):
        if lead.merged_into is not None:
            raise Refused(
                "already_merged", f"lead {lead_id} is merged into another: unmerge it first", 409,
                {"leadId": str(lead.merged_into)},
            )  # fmt: skip
    news = {
        name: loser.details[name] for name in FILLED
        if loser.details.get(name) and not winner.details.get(name)
    }  # fmt: skip
    merged = LeadMerged.model_validate(without_nulls(
        loser_id=command.loser_id, winner_id=command.winner_id, reason=command.reason,
        merged_by=command.merged_by, filled=tuple(news) or None,
    ))  # fmt: skip
    filled = _updated(command.winner_id, news, command.merged_by)
    stricter = state.withdrawn(command.loser_id) - state.withdrawn(command.winner_id)
    return [
        merged,
        *filled,
        *_withdraw(command.winner_id, stricter, command.at, command.merged_by,
                   f"withdrawn by lead {command.loser_id}, which was merged into this one"),
        *(_stop(run_id, command) for run_id in command.run_ids if state.runs.get(run_id)),
    ]  # fmt: skip


def _unmerge(command: UnmergeLead, state: People) -> list[Event]:
    """What was filled in goes again where it is still that; a consent withdrawn meanwhile is
    withdrawn for both, for nobody can tell who of them did."""
    loser = _demand(state, command.loser_id)
    if loser.merged_into is None or command.above[:1] != (loser.merged_into,):
        raise Refused("not_merged", f"lead {command.loser_id} is merged into no other")
    unmerged = LeadUnmerged.model_validate(without_nulls(
        loser_id=command.loser_id, winner_id=loser.merged_into, reason=command.reason,
        unmerged_by=command.unmerged_by,
    ))  # fmt: skip
    events: list[Event] = [unmerged]
    below = loser
    for lead_id in command.above:
        lead = _demand(state, lead_id)
        held = loser.details
        filled = [name for name in below.filled if lead.details.get(name) == held.get(name)]
        events += _updated(lead_id, dict.fromkeys(filled), command.unmerged_by)
        below = replace(lead, filled=tuple(name for name in lead.filled if name in filled))
    top = command.above[-1]
    return events + _withdraw(
        command.loser_id, state.withdrawn(top) - state.withdrawn(command.loser_id), command.at,
        command.unmerged_by, f"withdrawn by lead {top}, into which this one was merged",
    )  # fmt: skip


def _demand(state: People, lead_id: UUID) -> Lead:
    lead = state.leads.get(lead_id)
    if lead is None or not lead.exists:
        raise UnknownSubject(Stream("lead", lead_id))
    return lead


def _updated(lead_id: UUID, changes: Mapping[str, Any], by: UUID | None) -> list[Event]:
    if not changes:
        return []
    return [
        LeadUpdated.model_validate({"lead_id": lead_id, **changes} | without_nulls(updated_by=by))
    ]


def _withdraw(
    lead_id: UUID, channels: set[ConsentChannel], at: datetime, by: UUID | None, text: str
) -> list[Event]:
    return [
        ConsentWithdrawn.model_validate(without_nulls(
            consent_id=consent_id(lead_id, channel), lead_id=lead_id, channel=channel, text=text,
            place=PLACE, at=at, recorded_by=by,
        ))
        for channel in sorted(channels)
    ]  # fmt: skip


def _stop(run_id: UUID, command: MergeLeads) -> Event:
    why = f"the lead was merged into {command.winner_id}"
    return RunStopped.model_validate(without_nulls(
        run_id=run_id, lead_id=command.loser_id, reason=why, stopped_by=command.merged_by
    ))  # fmt: skip


decider: Decider[Command, People] = Decider(
    (MergeLeads, UnmergeLead), streams, People(), evolve, decide
)
