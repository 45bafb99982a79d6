"""The decider of merges: two leads of a property become one, and a merge is undone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeAlias, assert_never
from uuid import UUID

from events.consents import ConsentChannel, ConsentGiven, ConsentWithdrawn, consent_id
from events.event import Event
from events.leads import LeadAssigned, LeadUpdated, LeadZoneSet
from events.merges import LeadMerged, LeadUnmerged
from events.record import Stream
from events.runs import RunCompleted, RunConverted, RunEnrolled, RunStopped
from services.deciders import leads
from services.deciders.contacts import contact_keys
from services.deciders.decider import Decider, Refused, UnknownSubject
from services.deciders.leads import AGENT, ZONE, Lead
from services.deciders.restrictions import change_restriction

FILLED = (
    "first_name", "last_name", "email", "phone", "move_in_date", "bedrooms", "notes", AGENT, ZONE,
)  # fmt: skip
"""The details that the winner takes from the loser if it lacks them. The source is not one."""
MERGED = "merged"
"""The code of the end of a run whose lead was merged into another one."""
PLACE = "merge"
"""The `place` of a consent that is withdrawn by a merge, not by the lead itself."""


@dataclass(frozen=True, slots=True)
class MergeLeads:
    """Merge the loser into the winner, which must not be merged into another lead.

    `run_ids` are the workflow runs of the loser, live or not.
    """

    loser_id: UUID
    winner_id: UUID
    at: datetime
    run_ids: tuple[UUID, ...] = ()
    reason: str | None = None
    merged_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class UnmergeLead:
    """Undo the merge of the loser.

    `above` is the lead that it was merged into, the lead that one was merged into, and so on up to
    the surviving lead.
    """

    loser_id: UUID
    above: tuple[UUID, ...]
    at: datetime
    reason: str | None = None
    unmerged_by: UUID | None = None


Command: TypeAlias = MergeLeads | UnmergeLead


@dataclass(frozen=True, slots=True)
class MergeState:
    """The leads of a merge by id, their consents (stream id → given) and runs (id → live)."""

    leads: Mapping[UUID, Lead] = field(default_factory=dict)
    consents: Mapping[UUID, bool] = field(default_factory=dict)
    runs: Mapping[UUID, bool] = field(default_factory=dict)

    def withdrawn(self, lead_id: UUID) -> set[ConsentChannel]:
        """Return the channels for which the lead has withdrawn its consent."""
        return {
            channel for channel in ConsentChannel
            if self.consents.get(consent_id(lead_id, channel)) is False
        }  # fmt: skip


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
        Stream("consent", consent_id(key, channel)) for key in ids for channel in ConsentChannel
    ]


def evolve(state: MergeState, event: Event) -> MergeState:
    match event:
        case ConsentGiven() | ConsentWithdrawn():
            given = isinstance(event, ConsentGiven)
            return replace(state, consents={**state.consents, event.consent_id: given})
        case RunEnrolled():
            return replace(state, runs={**state.runs, event.run_id: True})
        case RunStopped() | RunConverted() | RunCompleted():
            return replace(state, runs={**state.runs, event.run_id: False})
        case _ if event.stream == "lead":
            before = state.leads.get(event.stream_id, Lead())
            return replace(
                state, leads={**state.leads, event.stream_id: leads.evolve(before, event)}
            )
        case _:
            return state


def decide(command: Command, state: MergeState) -> list[Event]:
    match command:
        case MergeLeads():
            return _merge(command, state)
        case UnmergeLead():
            return _unmerge(command, state)
        case _:
            assert_never(command)


def _merge(command: MergeLeads, state: MergeState) -> list[Event]:
    loser = _require_lead(state, command.loser_id)
    winner = _require_lead(state, command.winner_id)
    if command.loser_id == command.winner_id:
        raise Refused("same_lead", "the two leads are one lead already: choose another one")
    if loser.merged_into == command.winner_id:
        return []
    for lead_id, lead in ((command.loser_id, loser), (command.winner_id, winner)):
        if lead.merged_into is not None:
            raise Refused(
                "already_merged", f"lead {lead_id} is merged into another lead: unmerge it first",
                409, {"leadId": str(lead.merged_into)},
            )  # fmt: skip
    changes = {
        name: loser.details[name] for name in FILLED
        if loser.details.get(name) and not winner.details.get(name)
    }  # fmt: skip
    merged = LeadMerged(
        loser_id=command.loser_id, winner_id=command.winner_id, reason=command.reason,
        merged_by=command.merged_by, filled=tuple(changes),
    )  # fmt: skip
    # The stricter consent of the two holds: nobody may get a message that they declined.
    stricter = state.withdrawn(command.loser_id) - state.withdrawn(command.winner_id)
    return [
        *_restrict(winner, loser, command),  # first: the merge must not score restricted data
        merged,
        *_updated(command.winner_id, changes, command.merged_by),
        *_withdraw(command.winner_id, stricter, command.at, command.merged_by,
                   f"withdrawn by lead {command.loser_id}, which was merged into this one"),
        *(_stop(run_id, command) for run_id in command.run_ids if state.runs.get(run_id)),
    ]  # fmt: skip


def _unmerge(command: UnmergeLead, state: MergeState) -> list[Event]:
    """Return the events that undo a merge.

    A detail that the merge filled in is emptied if it still has that value. A consent that was
    withdrawn after the merge is withdrawn for both leads: it is unknown which of them did it.
    """
    loser = _require_lead(state, command.loser_id)
    if loser.merged_into is None or command.above[:1] != (loser.merged_into,):
        raise Refused("not_merged", f"lead {command.loser_id} is not merged into another lead")
    unmerged = LeadUnmerged(
        loser_id=command.loser_id, winner_id=loser.merged_into, reason=command.reason,
        unmerged_by=command.unmerged_by,
    )  # fmt: skip
    top = command.above[-1]
    # The restriction of the person holds for both leads, or for neither.
    events: list[Event] = [
        *change_restriction(
            command.loser_id, loser, _require_lead(state, top).is_restricted,
            f"as of lead {top}, into which this one was merged", command.unmerged_by,
        ),
        unmerged,
    ]  # fmt: skip
    below = loser
    for lead_id in command.above:
        lead = _require_lead(state, lead_id)
        filled = [
            name for name in below.filled if lead.details.get(name) == loser.details.get(name)
        ]
        events += _updated(lead_id, dict.fromkeys(filled), command.unmerged_by)
        below = replace(lead, filled=tuple(name for name in lead.filled if name in filled))
    return events + _withdraw(
        command.loser_id, state.withdrawn(top) - state.withdrawn(command.loser_id), command.at,
        command.unmerged_by, f"withdrawn by lead {top}, into which this one was merged",
    )  # fmt: skip


def _require_lead(state: MergeState, lead_id: UUID) -> Lead:
    lead = state.leads.get(lead_id)
    if lead is None or not lead.exists:
        raise UnknownSubject(Stream("lead", lead_id))
    return lead


def _restrict(winner: Lead, loser: Lead, command: MergeLeads) -> list[Event]:
    """Restrict the winner if the loser is restricted: they are one person now."""
    if not loser.is_restricted:
        return []
    reason = f"lead {command.loser_id}, which was merged into this one, is restricted"
    return change_restriction(command.winner_id, winner, True, reason, command.merged_by)


def _updated(lead_id: UUID, changes: Mapping[str, Any], by: UUID | None) -> list[Event]:
    details = {name: value for name, value in changes.items() if name not in (AGENT, ZONE)}
    events: list[Event] = []
    if details:
        keys = contact_keys(details)
        events.append(LeadUpdated(lead_id=lead_id, updated_by=by, **details, **keys))
    if AGENT in changes:
        agent_id = changes[AGENT]
        events.append(LeadAssigned(lead_id=lead_id, assigned_agent_id=agent_id, assigned_by=by))
    if ZONE in changes:
        events.append(LeadZoneSet(lead_id=lead_id, lead_zone=changes[ZONE], set_by=by))
    return events


def _withdraw(
    lead_id: UUID, channels: set[ConsentChannel], at: datetime, by: UUID | None, text: str
) -> list[Event]:
    return [
        ConsentWithdrawn(
            consent_id=consent_id(lead_id, channel), lead_id=lead_id, channel=channel, text=text,
            place=PLACE, at=at, recorded_by=by,
        )
        for channel in sorted(channels)
    ]  # fmt: skip


def _stop(run_id: UUID, command: MergeLeads) -> Event:
    return RunStopped(
        run_id=run_id, lead_id=command.loser_id, stopped_by=command.merged_by,
        reason=f"the lead was merged into {command.winner_id}", code=MERGED,
    )  # fmt: skip


decider: Decider[Command, MergeState] = Decider(
    "lead", (MergeLeads, UnmergeLead), streams, MergeState(), evolve, decide
)
