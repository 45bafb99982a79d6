"""Workflow definitions with their steps, and message templates."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from events.event import Event, Foreign
from events.fields import Body, Flag, Hours, Line, Number, Text, Word
from events.leads import LeadStatus


class StepAction(StrEnum):
    """The action of a workflow step."""

    SMS = "sms"
    EMAIL = "email"
    WAIT = "wait"


class MessageChannel(StrEnum):
    """The channel of a message."""

    SMS = "sms"
    EMAIL = "email"


class Step(BaseModel):
    """A workflow step: `action` is performed `delay_hours` (with fractions) after the last step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Word
    delay_hours: Hours
    action: StepAction
    template_slug: Word | None = None


class _DefinitionEvent(Event):
    """An event of a workflow definition."""

    stream: ClassVar[str] = "definition"
    entity: ClassVar[str] = "definition_id"
    requires: ClassVar[Mapping[str, str]] = {"definition_id": "definition"}

    definition_id: UUID


class WorkflowDefined(_DefinitionEvent):
    """A version of a workflow definition was saved; existing runs keep their version."""

    name: ClassVar[str] = "workflow.defined"
    begins: ClassVar[bool] = True
    requires: ClassVar[Mapping[str, str]] = {}
    sparse: ClassVar[frozenset[str]] = frozenset({"seeded"})

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
    """The trigger of the definition was enabled: it starts runs from now on."""

    name: ClassVar[str] = "workflow.activated"

    activated_by: Foreign | None = None


class WorkflowDeactivated(_DefinitionEvent):
    """The trigger of the definition was disabled; existing runs continue."""

    name: ClassVar[str] = "workflow.deactivated"

    deactivated_by: Foreign | None = None
    reason: Text | None = None


class _TemplateEvent(Event):
    """An event of a message template."""

    stream: ClassVar[str] = "template"
    entity: ClassVar[str] = "template_id"
    requires: ClassVar[Mapping[str, str]] = {"template_id": "template"}

    template_id: UUID


class TemplateDefined(_TemplateEvent):
    """A version of a message template was saved."""

    name: ClassVar[str] = "template.defined"
    begins: ClassVar[bool] = True
    requires: ClassVar[Mapping[str, str]] = {}
    sparse: ClassVar[frozenset[str]] = frozenset({"seeded"})

    template_version: Number
    slug: Annotated[Word, Field(description="Key of the template, unique in the property.")]
    display_name: Line
    channel: MessageChannel
    subject: Text | None = None
    body: Body
    is_active: Flag = True
    seeded: Flag = False
    changed_by: Foreign | None = None
    change_reason: Text | None = None


class TemplateRetired(_TemplateEvent):
    """The template was retired and is not used any more."""

    name: ClassVar[str] = "template.retired"

    retired_by: Foreign | None = None
    reason: Text | None = None
