"""The shape of a step type: what it checks in a definition, and what it decides when it is due."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Annotated, Any, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from events.leads import LeadStatus
from events.runs import StepOutcome
from events.workflows import MessageChannel, Step, StepAction
from services.deciders.decider import Refused


class StepOptions(BaseModel):
    """The options of a step without options, and the base of all others."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Need(Enum):
    """A part of the context that only some step types look at."""

    VALUES = auto()
    HAPPENED = auto()


@dataclass(frozen=True, slots=True)
class SendTemplate:
    """Plan a message from a template; after `useful_until` it is not sent."""

    channel: MessageChannel
    slug: str
    useful_until: datetime


@dataclass(frozen=True, slots=True)
class SetStatus:
    """Change the status of the lead."""

    status: LeadStatus


@dataclass(frozen=True, slots=True)
class AssignAgent:
    """Make an agent responsible for the lead; None if nobody is."""

    agent_id: UUID | None


@dataclass(frozen=True, slots=True)
class AddNote:
    """Add a note for agents, a text with variables."""

    text: str


@dataclass(frozen=True, slots=True)
class AddTask:
    """Create a task for an agent; without `agent_id` for the one who is responsible."""

    title: str
    due_at: datetime
    notes: str | None
    agent_id: UUID | None


@dataclass(frozen=True, slots=True)
class CallWebhook:
    """Plan a request to the URL with the run, the lead and the given content."""

    url: str
    content: Mapping[str, Any]
    useful_until: datetime


Effect: TypeAlias = SendTemplate | SetStatus | AssignAgent | AddNote | AddTask | CallWebhook
"""The effect of a step besides moving its run."""


@dataclass(frozen=True, slots=True)
class StepContext:
    """The input of a step type when its step is due.

    `due_at` is when it was to be done, `at` is now. `values` are the fields of the lead that a
    condition may name, empty if no step needs them. `happened` are the occurrences since the
    enrolment for which the run has not waited yet. `is_waiting`: the run waited at this step.
    """

    run_id: UUID
    lead_id: UUID
    definition_id: UUID
    at: datetime
    due_at: datetime
    zone: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    happened: Collection[str] = ()
    is_waiting: bool = False


@dataclass(frozen=True, slots=True)
class StepDecision:
    """The decision of a step type.

    The run goes on with the next step, with the step `goes_to`, or ends if `ends`. With `waits_for`
    it stays at the step until that occurrence, or until `waits_until`. With a `detail` a person
    sees why nothing was done.
    """

    outcome: StepOutcome
    effect: Effect | None = None
    detail: str | None = None
    choice: str | None = None
    goes_to: str | None = None
    ends: bool = False
    waits_for: str | None = None
    waits_until: datetime | None = None


def add_delay(step: Step, after: datetime, _zone: str | None) -> datetime:
    """Return when a step is due whose last step was done at `after`."""
    return after + timedelta(hours=step.delay_hours)


StepTarget = Annotated[str, Field(min_length=1, max_length=100)]
"""The id of a later step."""


def name_no_steps(_options: Any) -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True)
class StepType:
    """The pure functions of one kind of step.

    - `options`: the model of its options;
    - `decide`: what to do when the step is due;
    - `due_time`: when it is due, from the instant of the last step and the property's zone;
    - `targets`: the ids of the steps to which it may go, which must come later;
    - `channel`: the channel of its template, for a step that sends one;
    - `needs`: what its `decide` looks at, which is read from the log only then.
    """

    action: StepAction
    options: type[StepOptions]
    decide: Callable[[Step, Any, StepContext], StepDecision]
    due_time: Callable[[Step, datetime, str | None], datetime] = add_delay
    targets: Callable[[Any], Sequence[str]] = name_no_steps
    channel: MessageChannel | None = None
    needs: frozenset[Need] = frozenset()

    def read_options(self, step: Step) -> Any:
        """Return the options of a step. Raises `Refused` if they are not valid."""
        try:
            return self.options.model_validate(step.options)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(["options", *map(str, first["loc"])])
            raise Refused(
                "invalid_definition", f"step {step.id[:60]!r}: {where}: {first['msg']}"[:500], 400
            ) from None
