"""The decider of workflow definitions, which have versions and are active or not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import TypeAlias, assert_never
from uuid import UUID

from events.event import Event
from events.leads import LeadStatus
from events.record import Stream
from events.workflows import (
    ExitEvent,
    MessageChannel,
    ReentryRule,
    Step,
    WorkflowActivated,
    WorkflowDeactivated,
    WorkflowDefined,
)
from services.deciders.decider import Decider, Refused, UnknownSubject
from services.deciders.steps.catalog import check_steps


class Trigger(StrEnum):
    """The occurrences that can start a workflow."""

    LEAD_CREATED = "lead_created"
    TOUR_BOOKED = "tour_booked"
    TOUR_CONFIRMED = "tour_confirmed"
    TOUR_CANCELLED = "tour_cancelled"
    TOUR_COMPLETED = "tour_completed"
    TOUR_NO_SHOW = "tour_no_show"
    APPLICATION_STARTED = "application_started"
    APPLICATION_SUBMITTED = "application_submitted"


TOUR_TRIGGERS = frozenset(trigger for trigger in Trigger if trigger.startswith("tour_"))


@dataclass(frozen=True, slots=True)
class WorkflowContent:
    """The content of a definition version, as an editor writes it.

    `reentry` None means once for a lead, and always for a trigger of a tour. `max_age_hours` None
    means `DEFAULT_MAX_AGE_HOURS`.
    """

    display_name: str
    trigger_on: str
    steps: tuple[Step, ...]
    exit_conditions: tuple[LeadStatus, ...] = (LeadStatus.LEASED, LeadStatus.LOST)
    description: str | None = None
    exit_events: tuple[ExitEvent, ...] = ()
    reentry: ReentryRule | None = None
    min_interval_hours: float | None = None
    max_age_hours: float | None = None

    @property
    def reentry_rule(self) -> ReentryRule:
        """Return the rule that holds: a lead is new once, and may book any number of tours."""
        if self.reentry is not None:
            return self.reentry
        return ReentryRule.ALWAYS if self.trigger_on in TOUR_TRIGGERS else ReentryRule.ONCE

    @property
    def max_age(self) -> timedelta:
        """Return the age from which a trigger event starts no run."""
        hours = self.max_age_hours
        return timedelta(hours=DEFAULT_MAX_AGE_HOURS if hours is None else hours)


DEFAULT_MAX_AGE_HOURS = 24.0


@dataclass(frozen=True, slots=True)
class DefineWorkflow:
    """Define a workflow, or a new version of one.

    `channels` is slug → channel of the property's templates in use: an active workflow needs them.
    `expected_version` is the version that the editor saw. A `seeded` workflow is a default of the
    system: it is skipped if it exists.
    """

    definition_id: UUID
    content: WorkflowContent
    channels: Mapping[str, MessageChannel] = field(default_factory=dict)
    expected_version: int | None = None
    seeded: bool = False
    changed_by: UUID | None = None
    change_reason: str | None = None


@dataclass(frozen=True, slots=True)
class ActivateWorkflow:
    """Let the trigger enrol leads; `channels` is slug → channel of the templates in use."""

    definition_id: UUID
    channels: Mapping[str, MessageChannel]
    expected_version: int | None = None
    activated_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class DeactivateWorkflow:
    """Enrol no further leads; runs continue."""

    definition_id: UUID
    expected_version: int | None = None
    reason: str | None = None
    deactivated_by: UUID | None = None


Command: TypeAlias = DefineWorkflow | ActivateWorkflow | DeactivateWorkflow


@dataclass(frozen=True, slots=True)
class Definition:
    """A workflow definition; version 0 means that it does not exist.

    `content` is that of the newest version, `versions` are all of them: runs keep theirs.
    """

    version: int = 0
    content: WorkflowContent | None = None
    is_active: bool = False
    versions: Mapping[int, WorkflowContent] = field(default_factory=dict)


def streams(command: Command) -> Sequence[Stream]:
    return [Stream("definition", command.definition_id)]


def evolve(state: Definition, event: Event) -> Definition:
    match event:
        case WorkflowDefined():
            version, content = event.definition_version, content_of(event)
            versions = {**state.versions, version: content}
            return replace(state, version=version, content=content, versions=versions)
        case WorkflowActivated():
            return replace(state, is_active=True)
        case WorkflowDeactivated():
            return replace(state, is_active=False)
        case _:
            return state


def content_of(event: WorkflowDefined) -> WorkflowContent:
    """Return the content of the version that an event defines."""
    return WorkflowContent(
        event.display_name, event.trigger_on, event.steps, event.exit_conditions,
        event.description, event.exit_events or (), event.reentry, event.min_interval_hours,
        event.max_age_hours,
    )  # fmt: skip


def decide(command: Command, state: Definition) -> list[Event]:
    match command:
        case DefineWorkflow():
            return _define(command, state)
        case ActivateWorkflow():
            content = _require_content(command, state)
            if state.is_active:
                return []
            require_templates(content.steps, command.channels)
            return [WorkflowActivated(
                definition_id=command.definition_id, activated_by=command.activated_by
            )]  # fmt: skip
        case DeactivateWorkflow():
            _require_content(command, state)
            if not state.is_active:
                return []
            return [WorkflowDeactivated(
                definition_id=command.definition_id, reason=command.reason,
                deactivated_by=command.deactivated_by,
            )]  # fmt: skip
        case _:
            assert_never(command)


def require_version(expected: int | None, version: int) -> None:
    """Raise `Refused` if somebody else has changed the object since the editor read it."""
    if expected is not None and expected != version:
        raise Refused(
            "stale_version", f"it has version {version} now, not {expected}: read it again", 409,
            {"version": version},
        )  # fmt: skip


def require_templates(steps: Sequence[Step], channels: Mapping[str, MessageChannel]) -> None:
    """Raise `Refused` if a step has no active template for its channel."""
    problems = [
        f"step {step.id} needs the template {step.template_slug}, for {step.action}, "
        "reviewed and active"
        for step in steps
        if step.template_slug is not None
        and channels.get(step.template_slug) != MessageChannel(step.action)
    ]
    if problems:
        raise Refused("template_not_ready", "; ".join(problems)[:1_000], 409)


def _require_content(
    command: ActivateWorkflow | DeactivateWorkflow, state: Definition
) -> WorkflowContent:
    """Return the content. Raises `Refused` if there is none, or the version is not expected."""
    if state.content is None:
        raise UnknownSubject(Stream("definition", command.definition_id))
    require_version(command.expected_version, state.version)
    return state.content


def _define(command: DefineWorkflow, state: Definition) -> list[Event]:
    if command.seeded and state.version:
        return []
    if not state.version and command.expected_version:
        raise UnknownSubject(Stream("definition", command.definition_id))
    require_version(command.expected_version, state.version)
    content = command.content
    _check(content)
    if content == state.content:
        return []
    if state.is_active:
        require_templates(content.steps, command.channels)
    return [WorkflowDefined(
        definition_id=command.definition_id, definition_version=state.version + 1,
        display_name=content.display_name, description=content.description,
        trigger_on=content.trigger_on, steps=content.steps,
        exit_conditions=content.exit_conditions, exit_events=content.exit_events or None,
        reentry=content.reentry, min_interval_hours=content.min_interval_hours,
        max_age_hours=content.max_age_hours, seeded=command.seeded,
        changed_by=command.changed_by, change_reason=command.change_reason,
    )]  # fmt: skip


def _check(content: WorkflowContent) -> None:
    """Raise `Refused` if the content of a workflow is not valid."""
    if not content.display_name.strip():
        raise _invalid("a workflow needs a name")
    if content.trigger_on not in set(Trigger):
        raise Refused(
            "unknown_trigger",
            f"{content.trigger_on[:60]!r} is not a trigger: use one of {', '.join(Trigger)}", 400,
        )  # fmt: skip
    if not content.steps:
        raise _invalid("a workflow needs a step")
    check_steps(content.steps)
    if len(set(content.exit_conditions)) < len(content.exit_conditions):
        raise _invalid("an exit condition is listed twice")
    if len(set(content.exit_events)) < len(content.exit_events):
        raise _invalid("an exit event is listed twice")


def _invalid(why: str) -> Refused:
    return Refused("invalid_definition", why, 400)


decider: Decider[Command, Definition] = Decider(
    "definition", (DefineWorkflow, ActivateWorkflow, DeactivateWorkflow), streams, Definition(),
    evolve, decide,
)  # fmt: skip
