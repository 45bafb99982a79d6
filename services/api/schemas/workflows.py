"""Requests and responses of workflow definitions."""

from typing import Annotated, ClassVar, TypeAlias
from uuid import UUID

from fastapi import Path
from pydantic import Field

from events.fields import Hours, Line, Number, Text, Word
from events.leads import LeadStatus
from events.workflows import ExitEvent, ReentryRule, StepAction
from services.api.schemas import example
from services.api.schemas.schema import (
    BLANK_TO_NONE,
    ChangeModel,
    Examples,
    FreeJson,
    Instant,
    RequestModel,
    ResponseModel,
    ResponseRow,
)
from services.deciders.workflows import Trigger

DefinitionId: TypeAlias = Annotated[UUID, Path(examples=[example.DEFINITION])]
DisplayName = Annotated[Line, Field(min_length=1)]


OptionalSlug = Annotated[Word | None, BLANK_TO_NONE]
"""The slug of a template. A blank text means none."""


class StepRequest(RequestModel):
    """A step: after `delayHours` (fractions allowed) perform `action`.

    `sms` and `email` need a `templateSlug`. What the other actions need is in `options`.
    """

    id: Word
    delay_hours: Hours
    action: StepAction
    template_slug: OptionalSlug = None
    options: FreeJson = Field(default_factory=dict)


Steps = Annotated[list[StepRequest], Field(min_length=1, max_length=100)]
ExitConditions = Annotated[list[LeadStatus], Field(max_length=20)]
ExitEvents = Annotated[list[ExitEvent], Field(max_length=20)]

_STEPS = [
    {"id": "hello", "delayHours": 0.25, "action": "sms", "templateSlug": example.SLUG},
    {"id": "pause", "delayHours": 24, "action": "wait"},
]


class DefinitionRequest(RequestModel):
    """A new workflow definition. It enrols no lead until it is activated.

    `exitEvents` and the statuses in `exitConditions` end a run. `reentry` says whether a lead can
    have a second run: by default once for a lead, and always for a tour. `maxAgeHours` (24) is the
    age from which a trigger event starts no run.
    """

    examples: ClassVar[Examples] = {
        "a greeting": {
            "propertyId": example.PROPERTY,
            "name": "Spring greeting",
            "triggerOn": "lead_created",
            "steps": _STEPS,
            "exitConditions": ["tour_booked", "leased", "lost"],
        }
    }

    property_id: UUID
    name: DisplayName
    description: Text | None = None
    trigger_on: Trigger
    steps: Steps
    exit_conditions: ExitConditions = Field(default=[LeadStatus.LEASED, LeadStatus.LOST])
    exit_events: ExitEvents = Field(default_factory=list)
    reentry: ReentryRule | None = None
    min_interval_hours: Hours | None = None
    max_age_hours: Hours | None = None


class DefinitionChangeRequest(ChangeModel):
    """A change of a definition. Missing fields stay. `version` is the version that was read."""

    examples: ClassVar[Examples] = {
        "another name": {"name": "Summer greeting", "version": 1},
        "other steps": {"steps": _STEPS[:1], "changeReason": "shorter"},
    }
    addressing: ClassVar[frozenset[str]] = frozenset({"version", "change_reason"})

    version: Number | None = None
    name: DisplayName | None = None
    description: Text | None = None
    trigger_on: Trigger | None = None
    steps: Steps | None = None
    exit_conditions: ExitConditions | None = None
    exit_events: ExitEvents | None = None
    reentry: ReentryRule | None = None
    min_interval_hours: Hours | None = None
    max_age_hours: Hours | None = None
    change_reason: Text | None = None


class StepRow(ResponseRow):
    """A step as it is stored; `options` only where there are some."""

    id: str
    delay_hours: float
    action: StepAction
    template_slug: str | None
    options: FreeJson = Field(default_factory=dict)


class DefinitionRow(ResponseRow):
    """A workflow definition as it is in its table, in its newest version."""

    id: UUID
    property_id: UUID
    name: str
    description: str | None
    trigger_on: str
    steps: list[StepRow]
    exit_conditions: list[LeadStatus]
    exit_events: list[ExitEvent]
    reentry: ReentryRule | None
    min_interval_hours: float | None
    max_age_hours: float | None
    is_active: bool
    created_at: Instant
    updated_at: Instant
    org_id: UUID
    version: int
    seeded: bool


STEP_ROWS = [
    {"id": "hello", "delay_hours": 0.25, "action": "sms", "template_slug": example.SLUG},
    {"id": "pause", "delay_hours": 24.0, "action": "wait", "template_slug": None},
]
DEFINITION_EXAMPLE = {
    "id": example.DEFINITION,
    "property_id": example.PROPERTY,
    "name": "Spring greeting",
    "description": None,
    "trigger_on": "lead_created",
    "steps": STEP_ROWS,
    "exit_conditions": ["tour_booked", "leased", "lost"],
    "exit_events": ["opt_out"],
    "reentry": None,
    "min_interval_hours": None,
    "max_age_hours": None,
    "is_active": False,
    "created_at": example.AT,
    "updated_at": example.AT,
    "org_id": example.ORGANIZATION,
    "version": 1,
    "seeded": False,
}


class DefinitionListResponse(ResponseModel):
    """The workflow definitions of a property, by name."""

    examples: ClassVar[Examples] = {"one": {"definitions": [DEFINITION_EXAMPLE]}}

    definitions: list[DefinitionRow]


class DefinitionResponse(ResponseModel):
    """The workflow definition after the change."""

    examples: ClassVar[Examples] = {"a greeting": {"definition": DEFINITION_EXAMPLE}}

    definition: DefinitionRow
