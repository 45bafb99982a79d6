"""Runs: one lead in one version of one workflow definition."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from events.event import Event, Foreign, Personal
from events.fields import Count, Instant, Key, Line, NotPersonal, Number, Text
from events.leads import LeadStatus
from events.workflows import StepAction


class StepOutcome(StrEnum):
    """The result of a step that was due."""

    PLANNED = "planned"
    WAITED = "waited"
    SKIPPED = "skipped"
    FAILED = "failed"
    DONE = "done"
    WAITING = "waiting"
    """The run waits for an event, at most until `next_action_at`."""


class _RunEvent(Event):
    """An event of a run, with its lead."""

    stream: ClassVar[str] = "run"
    entity: ClassVar[str] = "run_id"
    requires: ClassVar[Mapping[str, str]] = {"run_id": "run", "lead_id": "lead"}

    run_id: UUID
    lead_id: UUID


class RunEnrolled(_RunEvent):
    """A trigger started a run: once per lead, definition and re-entry key."""

    name: ClassVar[str] = "run.enrolled"
    begins: ClassVar[bool] = True
    requires: ClassVar[Mapping[str, str]] = {
        "lead_id": "lead",
        "definition_id": "definition",
        "tour_id": "tour",
    }

    definition_id: UUID
    definition_version: Number
    trigger: Key
    trigger_event_id: Foreign | None = None
    reentry_key: Annotated[Line, NotPersonal("A number, or the id of a tour or an event.")]
    next_action_at: Instant | None = None
    enrolled_by: Foreign | None = None
    tour_id: Annotated[UUID | None, Field(description="Tour of the trigger.")] = None
    tour_revision: Count | None = None
    step_number: Annotated[
        Count | None, Field(description="First step of a run that begins later. Null: 0.")
    ] = None


class RunStepReached(_RunEvent):
    """A step was due and was processed."""

    name: ClassVar[str] = "run.step_reached"
    requires: ClassVar[Mapping[str, str]] = {
        "run_id": "run",
        "lead_id": "lead",
        "template_id": "template",
    }
    optional_ids: ClassVar[frozenset[str]] = frozenset({"delivery_id"})

    step_number: Count
    step_id: Key
    action: StepAction
    outcome: StepOutcome
    delivery_id: UUID | None = None
    template_id: UUID | None = None
    error_message: Annotated[Text | None, Personal("lead_id")] = None
    next_step_number: Annotated[Count | None, Field(description="Null after the last step.")] = None
    next_action_at: Instant | None = None
    waits_for: Annotated[
        Key | None, Field(description="Event that the run waits for from now on.")
    ] = None
    choice: Annotated[
        Key | None, Field(description="Path that a branch, a split or a wait for an event took.")
    ] = None
    task_id: Annotated[
        Foreign | None, Field(description="Task that the step created for an agent.")
    ] = None


class RunPaused(_RunEvent):
    """The run was paused."""

    name: ClassVar[str] = "run.paused"

    remaining_seconds: Annotated[
        Count | None, Field(description="Seconds of the current delay that had not passed.")
    ] = None
    reason: Annotated[Text | None, Personal("lead_id")] = None
    paused_by: Foreign | None = None


class RunResumed(_RunEvent):
    """The run was resumed with the rest of its delay."""

    name: ClassVar[str] = "run.resumed"

    next_action_at: Instant | None = None
    resumed_by: Foreign | None = None


class RunMoved(_RunEvent):
    """A user moved the run to another step or to another version of its definition."""

    name: ClassVar[str] = "run.moved"

    definition_version: Number
    step_number: Count
    next_action_at: Instant | None = None
    reason: Annotated[Text | None, Personal("lead_id")] = None
    moved_by: Foreign | None = None


class RunStopped(_RunEvent):
    """The run ended early."""

    name: ClassVar[str] = "run.stopped"

    reason: Annotated[
        Text, Personal("lead_id"), Field(description="Reason as a sentence for users.")
    ]
    code: Annotated[Key | None, Field(description="Key of the reason.")] = None
    stopped_by: Foreign | None = None


class RunConverted(_RunEvent):
    """The lead reached an exit status of the workflow."""

    name: ClassVar[str] = "run.converted"

    status: LeadStatus


class RunCompleted(_RunEvent):
    """The last step was processed."""

    name: ClassVar[str] = "run.completed"
