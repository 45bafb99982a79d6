"""The shapes of workflow definitions."""

from typing import Annotated, Any, ClassVar, Literal, TypeAlias
from uuid import UUID

from fastapi import Path
from pydantic import BeforeValidator, Field

from events.fields import Hours, Line, Number, Text, Word
from events.leads import LeadStatus
from events.workflows import StepAction
from services.api.schemas import example
from services.api.schemas.schema import Answered, AnsweredRow, Examples, Instant, Sent
from services.deciders.workflows import Trigger

DefinitionId: TypeAlias = Annotated[UUID, Path(examples=[example.DEFINITION])]
Named = Annotated[Line, Field(min_length=1)]


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


Slug = Annotated[Word | None, BeforeValidator(_blank_is_none)]
"""A template's name for steps; a blank is none."""


class StepSent(Sent):
    """A step: after so many hours (fractions allowed) an sms, an email, or nothing (`wait`)."""

    id: Word
    delay_hours: Hours
    action: StepAction
    template_slug: Slug = None


Steps = Annotated[list[StepSent], Field(min_length=1, max_length=100)]
Exits = Annotated[list[LeadStatus], Field(max_length=20)]

_STEPS = [
    {"id": "hello", "delayHours": 0.25, "action": "sms", "templateSlug": example.SLUG},
    {"id": "pause", "delayHours": 24, "action": "wait"},
]


class DefinitionSent(Sent):
    """A new workflow; it enrols nobody until it is activated."""

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
    name: Named
    description: Text | None = None
    trigger_on: Trigger
    steps: Steps
    exit_conditions: Exits = Field(default=[LeadStatus.LEASED, LeadStatus.LOST])


class DefinitionChangeSent(Sent):
    """What is to be changed; what is left out stays. `version` is the one that was read."""

    examples: ClassVar[Examples] = {
        "another name": {"name": "Summer greeting", "version": 1},
        "other steps": {"steps": _STEPS[:1], "changeReason": "shorter"},
    }

    version: Number | None = None
    name: Named | None = None
    description: Text | None = None
    trigger_on: Trigger | None = None
    steps: Steps | None = None
    exit_conditions: Exits | None = None
    change_reason: Text | None = None


class SwitchSent(Sent):
    """Switch a workflow on or off; `version` is the one that was reviewed."""

    examples: ClassVar[Examples] = {"as it is": {}, "for a while": {"reason": "Summer break."}}
    may_be_absent: ClassVar[bool] = True

    version: Number | None = None
    reason: Text | None = None


class SeedSent(Sent):
    """Which property is to have the system's workflows and texts."""

    examples: ClassVar[Examples] = {"a property": {"propertyId": example.PROPERTY}}

    property_id: UUID


class StepRow(AnsweredRow):
    """A step as it is kept."""

    id: str
    delay_hours: float
    action: StepAction
    template_slug: str | None


class DefinitionRow(AnsweredRow):
    """A workflow as it is in its table, in its newest version."""

    id: UUID
    property_id: UUID
    name: str
    description: str | None
    trigger_on: str
    steps: list[StepRow]
    exit_conditions: list[LeadStatus]
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
_ROW = {
    "id": example.DEFINITION,
    "property_id": example.PROPERTY,
    "name": "Spring greeting",
    "description": None,
    "trigger_on": "lead_created",
    "steps": STEP_ROWS,
    "exit_conditions": ["tour_booked", "leased", "lost"],
    "is_active": False,
    "created_at": example.AT,
    "updated_at": example.AT,
    "org_id": example.ORGANIZATION,
    "version": 1,
    "seeded": False,
}


class Definitions(Answered):
    """A property's workflows, by name."""

    examples: ClassVar[Examples] = {"one": {"definitions": [_ROW]}}

    definitions: list[DefinitionRow]


class DefinitionAnswered(Answered):
    """The workflow as it is now."""

    examples: ClassVar[Examples] = {"a greeting": {"definition": _ROW}}

    definition: DefinitionRow


class SeededAnswered(Answered):
    """How many were new: none the second time."""

    examples: ClassVar[Examples] = {
        "the first time": {"success": True, "definitionsCreated": 3, "templatesCreated": 13},
        "again": {"success": True, "definitionsCreated": 0, "templatesCreated": 0},
    }

    success: Literal[True]
    definitions_created: int
    templates_created: int
