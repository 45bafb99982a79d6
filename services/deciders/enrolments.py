"""The decider of enrolments: a run starts once per lead, definition and re-entry key."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from events.event import Event
from events.record import Stream
from events.runs import RunEnrolled
from events.workflows import ReentryRule, WorkflowActivated, WorkflowDeactivated, WorkflowDefined
from services.deciders import leads, runs, workflows
from services.deciders.decider import Decider, Refused, UnknownSubject
from services.deciders.leads import Lead
from services.deciders.restrictions import RESTRICTED, WHY_RESTRICTED
from services.deciders.runs import Run
from services.deciders.steps.catalog import find_due_time
from services.deciders.workflows import Definition, WorkflowContent

MANUAL = "manual"
"""The trigger of a run that a person starts."""
ONCE = "once"
"""The re-entry key of a run that a lead can have once."""


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """An earlier run of the lead in the same definition."""

    run_id: UUID
    enrolled_at: datetime
    is_live: bool


@dataclass(frozen=True, slots=True)
class EnrolLead:
    """Start a run of a lead, in the newest version of an active definition.

    `zone` is the time zone of the property. `triggered_at` is when the trigger event occurred. A
    person who starts a run (trigger `manual`) can choose its first step.
    """

    run_id: UUID
    lead_id: UUID
    definition_id: UUID
    trigger: str
    reentry_key: str
    at: datetime
    zone: str | None = None
    earlier: tuple[EarlierRun, ...] = ()
    triggered_at: datetime | None = None
    trigger_event_id: UUID | None = None
    tour_id: UUID | None = None
    tour_revision: int | None = None
    step_number: int = 0
    enrolled_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The state of the run, its definition and its lead."""

    run: Run = field(default_factory=Run)
    definition: Definition = field(default_factory=Definition)
    lead: Lead = field(default_factory=Lead)


def choose_key(content: WorkflowContent, trigger_event_id: UUID) -> str:
    """Return the re-entry key of a run that an event starts."""
    return ONCE if content.reentry_rule is ReentryRule.ONCE else str(trigger_event_id)


def run_id_of(lead_id: UUID, definition_id: UUID, reentry_key: str) -> UUID:
    """Return the id of a run: a repeated enrolment has the same."""
    return uuid5(lead_id, f"run/{definition_id}/{reentry_key}")


def streams(command: EnrolLead) -> Sequence[Stream]:
    return [
        Stream("run", command.run_id),
        Stream("definition", command.definition_id),
        Stream("lead", command.lead_id),
    ]


def evolve(state: Enrolment, event: Event) -> Enrolment:
    match event:
        case WorkflowDefined() | WorkflowActivated() | WorkflowDeactivated():
            return replace(state, definition=workflows.evolve(state.definition, event))
        case _ if event.stream == "run":
            return replace(state, run=runs.evolve(state.run, event))
        case _:
            return replace(state, lead=leads.evolve(state.lead, event))


def decide(command: EnrolLead, state: Enrolment) -> list[Event]:
    content = state.definition.content
    if content is None:
        raise UnknownSubject(Stream("definition", command.definition_id))
    if not state.lead.exists:
        raise UnknownSubject(Stream("lead", command.lead_id))
    if state.run.lead_id is not None:
        return []
    if not state.definition.is_active:
        raise Refused(
            "definition_inactive", f"workflow {command.definition_id} is not active: activate it"
        )
    if state.lead.is_restricted:
        raise Refused(RESTRICTED, f"{WHY_RESTRICTED}: no workflow starts")
    _require_age(command, content)
    if state.lead.status in content.exit_conditions:
        raise Refused(
            "exit_status", f"the lead is {state.lead.status}, which ends this workflow at once"
        )
    _require_reentry(command, content)
    if command.step_number >= len(content.steps):
        raise Refused(
            "unknown_step", f"the workflow has {len(content.steps)} steps, counted from 0: there "
            f"is no step {command.step_number}", 400,
        )  # fmt: skip
    due_at = find_due_time(content.steps[command.step_number], command.at, command.zone)
    return [RunEnrolled(
        run_id=command.run_id, lead_id=command.lead_id, definition_id=command.definition_id,
        definition_version=state.definition.version, trigger=command.trigger,
        trigger_event_id=command.trigger_event_id, reentry_key=command.reentry_key,
        next_action_at=due_at, enrolled_by=command.enrolled_by, tour_id=command.tour_id,
        tour_revision=command.tour_revision, step_number=command.step_number or None,
    )]  # fmt: skip


def _require_age(command: EnrolLead, content: WorkflowContent) -> None:
    if command.triggered_at is not None and command.at - command.triggered_at > content.max_age:
        raise Refused(
            "trigger_too_old", f"the trigger event is of {command.triggered_at.isoformat()}, more "
            f"than {content.max_age} ago",
        )  # fmt: skip


def _require_reentry(command: EnrolLead, content: WorkflowContent) -> None:
    """Raise `Refused` if the lead may not run through the definition again (yet)."""
    if not command.earlier:
        return
    rule = content.reentry_rule
    if command.trigger == MANUAL:
        rule = ReentryRule.AFTER_END  # a person decides on the rest
    newest = max(command.earlier, key=lambda run: run.enrolled_at)
    details = {"runId": str(newest.run_id)}
    if rule is ReentryRule.ONCE:
        raise Refused("already_enrolled", "the lead has run through this workflow", 409, details)
    if rule is ReentryRule.AFTER_END and any(run.is_live for run in command.earlier):
        raise Refused("run_live", "a run of this workflow has not ended yet", 409, details)
    interval = timedelta(hours=content.min_interval_hours or 0)
    if command.trigger != MANUAL and command.at - newest.enrolled_at < interval:
        raise Refused(
            "too_soon", f"the last run started at {newest.enrolled_at.isoformat()}, less than "
            f"{interval} ago", 409, details,
        )  # fmt: skip


decider: Decider[EnrolLead, Enrolment] = Decider(
    "run", (EnrolLead,), streams, Enrolment(), evolve, decide
)
