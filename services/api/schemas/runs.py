"""The shapes of a lead's runs through workflows."""

from enum import StrEnum
from typing import ClassVar, Literal
from uuid import UUID

from events.fields import Text
from events.leads import LeadStatus
from events.workflows import StepAction
from services.api.schemas import example
from services.api.schemas.schema import Answered, AnsweredRow, Examples, Id, Instant, Sent
from services.api.schemas.workflows import STEP_ROWS, StepRow
from services.deciders.runs import RunStatus


class RunMove(StrEnum):
    """What a person may do with a run."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"


class RunChangeSent(Sent):
    """What is to become of a run; without `runId`, of the newest that has not ended."""

    examples: ClassVar[Examples] = {
        "a break": {"action": "pause", "reason": "We are on the phone."},
        "going on": {"action": "resume", "runId": example.RUN},
        "the end": {"action": "stop"},
    }

    action: RunMove
    run_id: Id = None
    reason: Text | None = None


class RunRow(AnsweredRow):
    """A run as it is in its table. `current_step` is the one that comes next, from 0."""

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


class RunDefinition(AnsweredRow):
    """The definition of a run, in the version it runs on."""

    id: UUID
    name: str
    steps: list[StepRow]
    exit_conditions: list[LeadStatus]


class ActionRow(AnsweredRow):
    """What a run did, and what became of it."""

    id: UUID
    lead_workflow_id: UUID
    step_number: int
    action_type: StepAction
    template_id: UUID | None
    status: Literal[
        "pending", "held", "sent", "simulated", "delivered", "failed", "skipped", "unknown",
        "waited",
    ]  # fmt: skip
    external_id: str | None
    error_message: str | None
    executed_at: Instant
    org_id: UUID
    property_id: UUID
    lead_id: UUID
    step_id: str | None
    delivery_id: UUID | None


class RunShown(RunRow):
    """A run with its definition and all that it did."""

    definition: RunDefinition
    actions: list[ActionRow]


class RunListed(RunRow):
    """A run, and what its workflow is called now."""

    definition_name: str


_RUN = {
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
}


class LeadRuns(Answered):
    """The newest run, whole, and all of them, newest first."""

    examples: ClassVar[Examples] = {
        "none": {"workflow": None, "runs": []},
        "one": {
            "workflow": {
                **_RUN,
                "definition": {
                    "id": example.DEFINITION,
                    "name": "Spring greeting",
                    "steps": STEP_ROWS,
                    "exit_conditions": ["tour_booked", "leased", "lost"],
                },
                "actions": [_ACTION],
            },
            "runs": [{**_RUN, "definition_name": "Spring greeting"}],
        },
    }

    workflow: RunShown | None
    runs: list[RunListed]


class RunChanged(Answered):
    """The run as it is now."""

    examples: ClassVar[Examples] = {
        "standing still": {
            "success": True,
            "workflow": {
                **_RUN, "status": "paused", "next_action_at": None, "remaining_seconds": 600,
            },
        }
    }  # fmt: skip

    success: Literal[True]
    workflow: RunRow
