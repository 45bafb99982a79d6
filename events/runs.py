"""Workflows as they run: one lead going through one version of one definition."""

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from events.event import Event, Foreign
from events.fields import Count, Instant, Line, Number, Text, Word
from events.leads import LeadStatus
from events.workflows import StepAction


class StepOutcome(StrEnum):
    """What became of a step when it was due."""

    PLANNED = "planned"
    WAITED = "waited"
    SKIPPED = "skipped"
    FAILED = "failed"


class _RunEvent(Event):
    """The stream of one run, and whose run it is."""

    stream: ClassVar[str] = "run"
    entity: ClassVar[str] = "run_id"

    run_id: UUID
    lead_id: UUID


class RunEnrolled(_RunEvent):
    """A trigger started a workflow for a lead: once per lead, definition and re-entry key."""

    name: ClassVar[str] = "run.enrolled"

    definition_id: UUID
    definition_version: Number
    trigger: Word
    trigger_event_id: Foreign | None = None
    reentry_key: Line
    next_action_at: Instant | None = None
    enrolled_by: Foreign | None = None


class RunStepReached(_RunEvent):
    """A step was due; `next_step_number` is null after the last one."""

    name: ClassVar[str] = "run.step_reached"

    step_number: Count
    step_id: Word
    action: StepAction
    outcome: StepOutcome
    delivery_id: UUID | None = None
    template_id: UUID | None = None
    error_message: Text | None = None
    next_step_number: Count | None = None
    next_action_at: Instant | None = None


class RunPaused(_RunEvent):
    """The run stands still; `remaining_seconds` is what was left of the delay."""

    name: ClassVar[str] = "run.paused"

    remaining_seconds: Count | None = None
    reason: Text | None = None
    paused_by: Foreign | None = None


class RunResumed(_RunEvent):
    """The run goes on with what was left of the delay."""

    name: ClassVar[str] = "run.resumed"

    next_action_at: Instant | None = None
    resumed_by: Foreign | None = None


class RunMoved(_RunEvent):
    """A person put the run to another step, or to another version of its definition."""

    name: ClassVar[str] = "run.moved"

    definition_version: Number
    step_number: Count
    next_action_at: Instant | None = None
    reason: Text | None = None
    moved_by: Foreign | None = None


class RunStopped(_RunEvent):
    """The run ended early: `reason` says why in words a person can read."""

    name: ClassVar[str] = "run.stopped"

    reason: Text
    stopped_by: Foreign | None = None


class RunConverted(_RunEvent):
    """The lead reached an exit condition: the workflow has done its work."""

    name: ClassVar[str] = "run.converted"

    status: LeadStatus


class RunCompleted(_RunEvent):
    """The last step is done."""

    name: ClassVar[str] = "run.completed"
