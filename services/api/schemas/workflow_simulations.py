"""Response of the simulation of a workflow for one lead."""

from typing import Any, ClassVar
from uuid import UUID

from events.runs import StepOutcome
from events.workflows import StepAction
from services.api.schemas import example
from services.api.schemas.schema import Examples, Instant, ResponseModel


class SimulatedStepItem(ResponseModel):
    """A step as it would be done.

    - `at`: when it is due; `propertyTime` and `leadTime` are its local times, of the property and
      where the lead probably is.
    - `sentAt`: the next lawful minute of its message, null if it sends none.
    - `rule`: the key of the rule of sending that holds or skips its message.
    - `reason`: in words, why nothing is sent, or why later; null if nothing is in the way.
    """

    step_number: int
    step_id: str
    action: StepAction
    at: Instant
    property_time: str | None
    lead_time: str | None
    outcome: StepOutcome
    choice: str | None
    rule: str | None
    sent_at: Instant | None
    detail: str | None
    reason: str | None


class EnrolmentObstacle(ResponseModel):
    """The reason why the trigger would start no run of this lead now: code and sentence."""

    code: str
    reason: str


_STEP: dict[str, Any] = {
    "stepNumber": 0,
    "stepId": "hello",
    "action": "sms",
    "at": example.AT,
    "propertyTime": "2027-03-01 10:30 America/New_York",
    "leadTime": "2027-03-01 07:30 America/Los_Angeles",
    "outcome": "planned",
    "choice": None,
    "rule": "quiet_hours",
    "sentAt": "2027-03-01T16:00:00Z",
    "detail": None,
    "reason": "messages are not sent at this hour where the person is",
}


class SimulationResponse(ResponseModel):
    """The steps in order, if the run began at `startsAt` and nothing happened meanwhile.

    `obstacle` is null if the trigger would start a run. An inactive definition is taken as active.
    """

    examples: ClassVar[Examples] = {
        "a message that waits": {
            "definitionId": example.DEFINITION,
            "version": 1,
            "leadId": example.LEAD,
            "startsAt": example.AT,
            "obstacle": None,
            "steps": [_STEP],
        }
    }

    definition_id: UUID
    version: int
    lead_id: UUID
    starts_at: Instant
    obstacle: EnrolmentObstacle | None
    steps: list[SimulatedStepItem]
