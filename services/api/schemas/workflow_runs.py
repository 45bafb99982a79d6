"""Responses with the runs of a property: listed, counted, stuck, and one with its history."""

from typing import Any, ClassVar, Literal, TypeAlias
from uuid import UUID

from pydantic import Field

from events.fields import Count
from events.workflows import ExitEvent
from services.api.schemas import example
from services.api.schemas.conversations import LEAD_EXAMPLE, ConversationLead
from services.api.schemas.lead_deliveries import DeliveryItem
from services.api.schemas.runs import RUN_EXAMPLE, RunDefinition, RunSummary
from services.api.schemas.schema import (
    Examples,
    FreeJson,
    Instant,
    ResponseModel,
    ResponseRow,
)
from services.api.schemas.workflows import STEP_ROWS, StepRow
from services.application.stuck_runs import StuckCode

RunState: TypeAlias = Literal["waiting", "finished", "stopped"]
"""Waiting: active or paused. Finished: completed, or the lead reached an exit status."""


class PropertyRun(RunSummary):
    """A run with its lead, and with its next step in the version that it uses.

    `definition_newest` is the newest version of its workflow. `step` is null after the last step.
    """

    lead: ConversationLead
    definition_newest: int | None
    step: StepRow | None
    step_count: int | None


_LISTED: dict[str, Any] = {
    **RUN_EXAMPLE,
    "definition_name": "Spring greeting",
    "lead": LEAD_EXAMPLE,
    "definition_newest": 2,
    "step": STEP_ROWS[1],
    "step_count": 2,
}


class PropertyRunListResponse(ResponseModel):
    """A page of runs, newest first. Send `nextCursor` as `cursor` for the next page."""

    examples: ClassVar[Examples] = {"one": {"runs": [_LISTED], "nextCursor": None}}

    runs: list[PropertyRun]
    next_cursor: str | None


class RunCount(ResponseModel):
    """The number of runs of a version in a state at a step, counted from 0."""

    definition_id: UUID
    version: int
    status: str
    step: Count
    runs: Count


class RunCountResponse(ResponseModel):
    """The numbers of runs of a property, by workflow, version, state and step."""

    examples: ClassVar[Examples] = {
        "twelve at the second step": {
            "counts": [
                {
                    "definitionId": example.DEFINITION,
                    "version": 1,
                    "status": "active",
                    "step": 1,
                    "runs": 12,
                }
            ]
        }
    }

    counts: list[RunCount]


class StuckReason(ResponseModel):
    """The reason why a run makes no progress, since when, and what to do."""

    code: StuckCode
    reason: str
    since: Instant
    attempts: Count
    hint: str


class StuckRunRow(StuckReason):
    """A run that makes no progress; `run` is null if its tables do not have it yet."""

    run_id: UUID
    run: PropertyRun | None


_STUCK = {
    "code": "blocked",
    "reason": "template_not_ready: step hello needs the template spring-greeting",
    "since": example.AT,
    "attempts": 3,
    "hint": "repair what the reason names, then `crm workflow repair RUN`",
}


class StuckRunListResponse(ResponseModel):
    """The runs that make no progress, those that wait longest first."""

    examples: ClassVar[Examples] = {
        "one": {"stuck": [{**_STUCK, "runId": example.RUN, "run": _LISTED}]}
    }

    stuck: list[StuckRunRow]


class FollowedDefinition(RunDefinition):
    """The definition of a run, in the version that the run uses, with all that ends it."""

    exit_events: list[ExitEvent]


class RunEvent(ResponseRow):
    """An event of a run. `details` are its fields, which depend on the type."""

    id: UUID
    at: Instant
    type: str
    actor: str
    details: FreeJson = Field(default_factory=dict)


class RunDetailResponse(ResponseModel):
    """A run with its definition, its events and messages (oldest first), and why it is stuck."""

    examples: ClassVar[Examples] = {
        "one that waits": {
            "run": _LISTED,
            "definition": {
                "id": example.DEFINITION,
                "name": "Spring greeting",
                "steps": STEP_ROWS,
                "exit_conditions": ["tour_booked", "leased", "lost"],
                "exit_events": ["opt_out"],
            },
            "history": [
                {
                    "id": example.EVENT,
                    "at": example.AT,
                    "type": "run.enrolled",
                    "actor": "policy:enrolment",
                    "details": {"trigger": "lead_created", "definition_version": 1},
                }
            ],
            "messages": [],
            "stuck": None,
        }
    }

    run: PropertyRun
    definition: FollowedDefinition
    history: list[RunEvent]
    messages: list[DeliveryItem]
    stuck: StuckReason | None
