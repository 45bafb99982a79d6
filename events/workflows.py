"""Workflows as they are defined: definitions with their steps, and the templates of messages."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from events.event import Event, Foreign
from events.fields import Body, Flag, Hours, Line, Number, Text, Word
from events.leads import LeadStatus


class StepAction(StrEnum):
    """What a step of a workflow does."""

    SMS = "sms"
    EMAIL = "email"
    WAIT = "wait"


class MessageChannel(StrEnum):
    """What a message is sent by."""

    SMS = "sms"
    EMAIL = "email"


class Step(BaseModel):
    """One step: after `delay_hours` (fractions allowed) do `action`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Word
    delay_hours: Hours
    action: StepAction
    template_slug: Word | None = None


class _DefinitionEvent(Event):
    """The stream of one workflow definition."""

    stream: ClassVar[str] = "definition"
    entity: ClassVar[str] = "definition_id"

    definition_id: UUID


class WorkflowDefined(_DefinitionEvent):
    """A new version of a definition; runs keep the version they started with."""

    name: ClassVar[str] = "workflow.defined"

    definition_version: Number
    display_name: Line
    description: Text | None = None
    trigger_on: Word
    steps: Annotated[tuple[Step, ...], Field(max_length=100)]
    exit_conditions: Annotated[tuple[LeadStatus, ...], Field(max_length=20)]
    seeded: Flag = False
    changed_by: Foreign | None = None
    change_reason: Text | None = None


class WorkflowActivated(_DefinitionEvent):
    """From now on the trigger enrols leads."""

    name: ClassVar[str] = "workflow.activated"

    activated_by: Foreign | None = None


class WorkflowDeactivated(_DefinitionEvent):
    """The trigger enrols nobody any more; runs go on."""

    name: ClassVar[str] = "workflow.deactivated"

    deactivated_by: Foreign | None = None
    reason: Text | None = None


class _TemplateEvent(Event):
    """The stream of one message template."""

    stream: ClassVar[str] = "template"
    entity: ClassVar[str] = "template_id"

    template_id: UUID


class TemplateDefined(_TemplateEvent):
    """A new version of a template; `slug` is unique in the property."""

    name: ClassVar[str] = "template.defined"

    template_version: Number
    slug: Word
    display_name: Line
    channel: MessageChannel
    subject: Text | None = None
    body: Body
    is_active: Flag = True
    seeded: Flag = False
    changed_by: Foreign | None = None
    change_reason: Text | None = None


class TemplateRetired(_TemplateEvent):
    """The template is used no more."""

    name: ClassVar[str] = "template.retired"

    retired_by: Foreign | None = None
    reason: Text | None = None
