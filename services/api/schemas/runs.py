"""Requests and responses of a lead's workflow runs."""

from enum import StrEnum
from typing import ClassVar, Literal
from uuid import UUID

from events.fields import Count, Text
from events.leads import LeadStatus
from events.workflows import StepAction
from services.api.schemas import example
from services.api.schemas.schema import (
    Examples,
    Instant,
    OptionalId,
    RequestModel,
    ResponseModel,
    ResponseRow,
)
from services.api.schemas.workflows import STEP_ROWS, StepRow
from services.deciders.runs import RunStatus


class RunAction(StrEnum):
    """The changes that a console user can make to a run."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    RESTART = "restart"


class RunChangeRequest(RequestModel):
    """A change of a run; without `runId` of the newest run that has not ended.

    `restart` goes on at once at the step `stepNumber` (from 0). A message of it is sent again.
    """

    examples: ClassVar[Examples] = {
        "pause": {"action": "pause", "reason": "We are on the phone."},
        "resume": {"action": "resume", "runId": example.RUN},
        "stop": {"action": "stop"},
    }

    action: RunAction
    run_id: OptionalId = None
    step_number: Count = 0
    reason: Text | None = None


class RunStartRequest(RequestModel):
    """The start of a run by hand, at the step `stepNumber` (from 0) of an active workflow."""

    examples: ClassVar[Examples] = {"the greeting": {"definitionId": example.ACTIVE_DEFINITION}}

    definition_id: UUID
    step_number: Count = 0


class RunRow(ResponseRow):
    """A run as it is in its table. `current_step` is the next step, counted from 0."""

    id: UUID
    lead_id: UUID
    workflow_id: UUID
    current_step: int
    status: RunStatus
    last_action_at: Instant | None
    next_action_at: Instant | None
    created_at: Instant
    updated_at: Instant
    org_id: UUID
    property_id: UUID
    definition_version: int
    trigger: str
    reentry_key: str
    remaining_seconds: int | None
    stop_reason: str | None
    stop_code: str | None
    waits_for: str | None
    tour_id: UUID | None
    enrolled_by: UUID | None


class RunDefinition(ResponseRow):
    """The definition of a run, in the version that the run uses."""

    id: UUID
    name: str
    steps: list[StepRow]
    exit_conditions: list[LeadStatus]


class RunActionRow(ResponseRow):
    """An action of a run and its outcome."""

    id: UUID
    lead_workflow_id: UUID
    step_number: int
    action_type: StepAction
    template_id: UUID | None
    status: Literal[
        "pending", "held", "sent", "simulated", "delivered", "failed", "skipped", "unknown",
        "waited", "done", "waiting",
    ]  # fmt: skip
    external_id: str | None
    error_message: str | None
    executed_at: Instant
    org_id: UUID
    property_id: UUID
    lead_id: UUID
    step_id: str | None
    delivery_id: UUID | None
    choice: str | None
    task_id: UUID | None


class RunDetail(RunRow):
    """A run with its definition and its actions."""

    definition: RunDefinition
    actions: list[RunActionRow]


class RunSummary(RunRow):
    """A run with the current name of its workflow."""

    definition_name: str


RUN_EXAMPLE = {
    "id": example.RUN,
    "lead_id": example.LEAD,
    "workflow_id": example.DEFINITION,
    "current_step": 1,
    "status": "active",
    "last_action_at": example.AT,
    "next_action_at": example.AT,
    "created_at": example.AT,
    "updated_at": example.AT,
    "org_id": example.ORGANIZATION,
    "property_id": example.PROPERTY,
    "definition_version": 1,
    "trigger": "lead_created",
    "reentry_key": "1",
    "remaining_seconds": None,
    "stop_reason": None,
    "stop_code": None,
    "waits_for": None,
    "tour_id": None,
    "enrolled_by": None,
}
_ACTION = {
    "id": example.ROW,
    "lead_workflow_id": example.RUN,
    "step_number": 0,
    "action_type": "sms",
    "template_id": example.TEMPLATE,
    "status": "sent",
    "external_id": "SM1",
    "error_message": None,
    "executed_at": example.AT,
    "org_id": example.ORGANIZATION,
    "property_id": example.PROPERTY,
    "lead_id": example.LEAD,
    "step_id": "hello",
    "delivery_id": example.ROW,
    "choice": None,
    "task_id": None,
}


class RunListResponse(ResponseModel):
    """The newest run with all details, and all runs, newest first."""

    examples: ClassVar[Examples] = {
        "none": {"workflow": None, "runs": []},
        "one": {
            "workflow": {
                **RUN_EXAMPLE,
                "definition": {
                    "id": example.DEFINITION,
                    "name": "Spring greeting",
                    "steps": STEP_ROWS,
                    "exit_conditions": ["tour_booked", "leased", "lost"],
                },
                "actions": [_ACTION],
            },
            "runs": [{**RUN_EXAMPLE, "definition_name": "Spring greeting"}],
        },
    }

    workflow: RunDetail | None
    runs: list[RunSummary]


class RunResponse(ResponseModel):
    """The run after the change."""

    examples: ClassVar[Examples] = {
        "paused": {
            "success": True,
            "workflow": {
                **RUN_EXAMPLE, "status": "paused", "next_action_at": None, "remaining_seconds": 600,
            },
        }
    }  # fmt: skip

    success: Literal[True]
    workflow: RunRow
