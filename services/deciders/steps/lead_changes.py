"""The steps that change a lead or ask an agent: `set_status`, `assign`, `note`, `task`."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from pydantic import Field

from events.fields import Line, Text
from events.leads import LeadStatus
from events.runs import StepOutcome
from events.workflows import Step, StepAction
from services.deciders.steps.step_type import (
    AddNote,
    AddTask,
    AssignAgent,
    SetStatus,
    StepContext,
    StepDecision,
    StepOptions,
    StepType,
)


class StatusOptions(StepOptions):
    """The options of `set_status`."""

    status: LeadStatus


class AssignOptions(StepOptions):
    """The options of `assign`; null takes the agent away."""

    agent_id: UUID | None


class NoteOptions(StepOptions):
    """The options of `note`: a text for agents, which may contain variables."""

    text: Annotated[Text, Field(min_length=1)]


class TaskOptions(StepOptions):
    """The options of `task`: due after `due_hours`, for the agent or the responsible one."""

    title: Annotated[Line, Field(min_length=1)]
    notes: Text | None = None
    due_hours: Annotated[float, Field(ge=0, le=24 * 366, strict=True)] = 24
    agent_id: UUID | None = None


def decide_status(_step: Step, options: StatusOptions, _context: StepContext) -> StepDecision:
    return StepDecision(StepOutcome.DONE, SetStatus(options.status))


def decide_assignment(_step: Step, options: AssignOptions, _context: StepContext) -> StepDecision:
    return StepDecision(StepOutcome.DONE, AssignAgent(options.agent_id))


def decide_note(_step: Step, options: NoteOptions, _context: StepContext) -> StepDecision:
    return StepDecision(StepOutcome.DONE, AddNote(options.text))


def decide_task(_step: Step, options: TaskOptions, context: StepContext) -> StepDecision:
    due_at = context.at + timedelta(hours=options.due_hours)
    task = AddTask(options.title, due_at, options.notes, options.agent_id)
    return StepDecision(StepOutcome.DONE, task)


SET_STATUS = StepType(StepAction.SET_STATUS, StatusOptions, decide_status)
ASSIGN = StepType(StepAction.ASSIGN, AssignOptions, decide_assignment)
NOTE = StepType(StepAction.NOTE, NoteOptions, decide_note)
TASK = StepType(StepAction.TASK, TaskOptions, decide_task)
