"""Definitions: workflows as people write them, version after version, switched on and off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeAlias, assert_never
from uuid import UUID

from events.event import Event
from events.leads import LeadStatus
from events.record import Stream
from events.workflows import (
    MessageChannel,
    Step,
    StepAction,
    WorkflowActivated,
    WorkflowDeactivated,
    WorkflowDefined,
)
from services.deciders.decider import Decider, Refused, UnknownSubject
from services.deciders.fields import without_nulls


class Trigger(StrEnum):
    """What a workflow may begin with."""

    LEAD_CREATED = "lead_created"
    TOUR_BOOKED = "tour_booked"
    TOUR_CONFIRMED = "tour_confirmed"
    TOUR_CANCELLED = "tour_cancelled"
    TOUR_COMPLETED = "tour_completed"
    TOUR_NO_SHOW = "tour_no_show"
    APPLICATION_STARTED = "application_started"
    APPLICATION_SUBMITTED = "application_submitted"


@dataclass(frozen=True, slots=True)
class Written:
    """What a person writes down of a workflow."""

    display_name: str
    trigger_on: str
    steps: tuple[Step, ...]
    exit_conditions: tuple[LeadStatus, ...] = (LeadStatus.LEASED, LeadStatus.LOST)
    description: str | None = None


@dataclass(frozen=True, slots=True)
class DefineWorkflow:
    """Write a workflow, or a new version of one. `seen` is the version the writer had before them.

    `channels` are the property's templates in use, by slug: what an active one relies on. A seeded
    one is the system's own: it is only written where there is none yet.
    """

    definition_id: UUID
    written: Written
    channels: Mapping[str, MessageChannel] = field(default_factory=dict)
    seen: int | None = None
    seeded: bool = False
    changed_by: UUID | None = None
    change_reason: str | None = None


@dataclass(frozen=True, slots=True)
class ActivateWorkflow:
    """Let the trigger enrol leads. `channels` are the property's templates in use, by slug."""

    definition_id: UUID
    channels: Mapping[str, MessageChannel]
    seen: int | None = None
    activated_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class DeactivateWorkflow:
    """Enrol nobody any more; runs go on."""

    definition_id: UUID
    seen: int | None = None
    reason: str | None = None
    deactivated_by: UUID | None = None


Command: TypeAlias = DefineWorkflow | ActivateWorkflow | DeactivateWorkflow


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition in its newest version; version 0 is none."""

    version: int = 0
    written: Written | None = None
    is_active: bool = False


def streams(command: Command) -> Sequence[Stream]:
    return [Stream("definition", command.definition_id)]


def evolve(state: Definition, event: Event) -> Definition:
    match event:
        case WorkflowDefined():
            written = Written(event.display_name, event.trigger_on, event.steps,
                              event.exit_conditions, event.description)  # fmt: skip
            return replace(state, version=event.definition_version, written=written)
        case WorkflowActivated():
            return replace(state, is_active=True)
        case WorkflowDeactivated():
            return replace(state, is_active=False)
        case _:
            return state


def decide(command: Command, state: Definition) -> list[Event]:
    match command:
        case DefineWorkflow():
            return _define(command, state)
        case ActivateWorkflow():
            written = _demand(command, state)
            if state.is_active:
                return []
            demand_templates(written.steps, command.channels)
            said = without_nulls(
                definition_id=command.definition_id, activated_by=command.activated_by
            )
            return [WorkflowActivated.model_validate(said)]
        case DeactivateWorkflow():
            _demand(command, state)
            if not state.is_active:
                return []
            said = without_nulls(
                definition_id=command.definition_id, reason=command.reason,
                deactivated_by=command.deactivated_by,
            )  # fmt: skip
            return [WorkflowDeactivated.model_validate(said)]
        case _:
            assert_never(command)


def demand_version(seen: int | None, version: int) -> None:
    """Raises `Refused` where somebody else has changed it since."""
    if seen is not None and seen != version:
        raise Refused(
            "stale_version", f"it is at version {version} now, not {seen}: read it again", 409,
            {"version": version},
        )  # fmt: skip


def demand_templates(steps: Sequence[Step], channels: Mapping[str, MessageChannel]) -> None:
    """Raises `Refused` where a step would have nothing to send."""
    found = [
        f"step {step.id} needs {step.template_slug}, for {step.action}, reviewed and active"
        for step in steps
        if step.template_slug is not None
        and channels.get(step.template_slug) != MessageChannel(step.action)
    ]
    if found:
        raise Refused("template_not_ready", "; ".join(found)[:1_000], 409)


def _demand(command: ActivateWorkflow | DeactivateWorkflow, state: Definition) -> Written:
    """Raises `Refused`."""
    if state.written is None:
        raise UnknownSubject(Stream("definition", command.definition_id))
    demand_version(command.seen, state.version)
    return state.written


def _define(command: DefineWorkflow, state: Definition) -> list[Event]:
    if command.seeded and state.version:
        return []
    if not state.version and command.seen:
        raise UnknownSubject(Stream("definition", command.definition_id))
    demand_version(command.seen, state.version)
    written = command.written
    _check(written)
    if written == state.written:
        return []
    if state.is_active:
        demand_templates(written.steps, command.channels)
    return [WorkflowDefined.model_validate(without_nulls(
        definition_id=command.definition_id, definition_version=state.version + 1,
        display_name=written.display_name, description=written.description,
        trigger_on=written.trigger_on, steps=written.steps,
        exit_conditions=written.exit_conditions, seeded=command.seeded or None,
        changed_by=command.changed_by, change_reason=command.change_reason,
    ))]  # fmt: skip


def _check(written: Written) -> None:
    """Raises `Refused`."""
    if not written.display_name.strip():
        raise Refused("invalid_definition", "a workflow needs a name", 400)
    if written.trigger_on not in set(Trigger):
        known = ", ".join(Trigger)
        raise Refused(
            "unknown_trigger", f"{written.trigger_on[:60]!r} is no trigger: there are {known}", 400
        )
    if not written.steps:
        raise Refused("invalid_definition", "a workflow needs a step", 400)
    ids = [step.id for step in written.steps]
    twice = next((one for one in ids if ids.count(one) > 1), None)
    if twice is not None:
        raise Refused("invalid_definition", f"two steps are called {twice[:60]!r}", 400)
    for step in written.steps:
        sends = step.action is not StepAction.WAIT
        if sends and not step.template_slug:
            raise Refused("invalid_definition", f"step {step.id[:60]!r} needs a template_slug", 400)
        if not sends and step.template_slug:
            raise Refused(
                "invalid_definition", f"step {step.id[:60]!r} waits: it sends no template", 400
            )
    if len(set(written.exit_conditions)) < len(written.exit_conditions):
        raise Refused("invalid_definition", "an exit condition is named twice", 400)


decider: Decider[Command, Definition] = Decider(
    (DefineWorkflow, ActivateWorkflow, DeactivateWorkflow), streams, Definition(), evolve, decide
)
