"""Response with a workflow definition and all its versions."""

from typing import Any, ClassVar
from uuid import UUID

from events.leads import LeadStatus
from events.workflows import ExitEvent, ReentryRule
from services.api.schemas import example
from services.api.schemas.schema import Examples, Instant, ResponseModel, ResponseRow
from services.api.schemas.workflows import DEFINITION_EXAMPLE, STEP_ROWS, DefinitionRow, StepRow


class WorkflowVersion(ResponseRow):
    """A version of a definition, with who saved it, and why."""

    version: int
    name: str
    description: str | None
    trigger_on: str
    steps: list[StepRow]
    exit_conditions: list[LeadStatus]
    exit_events: list[ExitEvent]
    reentry: ReentryRule | None
    min_interval_hours: float | None
    max_age_hours: float | None
    changed_at: Instant
    changed_by: UUID | None
    change_reason: str | None


class WorkflowSwitch(ResponseRow):
    """An activation or a deactivation of a definition."""

    at: Instant
    is_active: bool
    switched_by: UUID | None
    reason: str | None


_VERSION: dict[str, Any] = {
    "version": 1,
    "name": "Spring greeting",
    "description": None,
    "trigger_on": "lead_created",
    "steps": STEP_ROWS,
    "exit_conditions": ["tour_booked", "leased", "lost"],
    "exit_events": ["opt_out"],
    "reentry": None,
    "min_interval_hours": None,
    "max_age_hours": None,
    "changed_at": example.AT,
    "changed_by": example.AGENT,
    "change_reason": "The garden is open.",
}


class WorkflowVersionsResponse(ResponseModel):
    """A definition with its versions and switches, both newest first, at most 100 of each."""

    examples: ClassVar[Examples] = {
        "a greeting": {
            "definition": DEFINITION_EXAMPLE,
            "versions": [_VERSION],
            "switches": [
                {"at": example.AT, "is_active": True, "switched_by": None, "reason": None}
            ],
        }
    }

    definition: DefinitionRow
    versions: list[WorkflowVersion]
    switches: list[WorkflowSwitch]
