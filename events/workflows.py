"""Workflow definitions with their steps, and message templates."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from events.event import Event, Foreign
from events.fields import Body, Flag, Hours, Json, Key, Line, NotPersonal, Number, Text
from events.leads import LeadStatus

_FOR_ALL = NotPersonal("Written by staff for all leads.")


class StepAction(StrEnum):
    """The action of a workflow step."""

    SMS = "sms"
    EMAIL = "email"
    WAIT = "wait"
    WAIT_UNTIL = "wait_until"
    WAIT_FOR_EVENT = "wait_for_event"
    BRANCH = "branch"
    SPLIT = "split"
    SET_STATUS = "set_status"
    ASSIGN = "assign"
    NOTE = "note"
    TASK = "task"
    WEBHOOK = "webhook"
    END = "end"


class ReentryRule(StrEnum):
    """The rule that says whether a lead can run through a definition again."""

    ONCE = "once"
    AFTER_END = "after_end"
    """Only while the lead has no live run of the definition."""
    ALWAYS = "always"


class ExitEvent(StrEnum):
    """An occurrence, other than a lead's new status, that ends a run."""

    TOUR_BOOKED = "tour_booked"
    TOUR_CANCELLED = "tour_cancelled"
    REPLY_RECEIVED = "reply_received"
    OPT_OUT = "opt_out"


class MessageChannel(StrEnum):
    """The channel of a message."""

    SMS = "sms"
    EMAIL = "email"


class Step(BaseModel):
    """A workflow step: `action` is performed `delay_hours` (with fractions) after the last step."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: Key
    delay_hours: Hours
    action: StepAction
    template_slug: Key | None = None
    options: Annotated[
        Json,
        _FOR_ALL,
        Field(description="What else the action needs; its step type checks them."),
    ] = {}


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
    display_name: Annotated[Line, _FOR_ALL]
    description: Annotated[Text | None, _FOR_ALL] = None
    trigger_on: Key
    steps: Annotated[tuple[Step, ...], Field(max_length=100)]
    exit_conditions: Annotated[tuple[LeadStatus, ...], Field(max_length=20)]
    exit_events: Annotated[
        tuple[ExitEvent, ...] | None,
        Field(max_length=20, description="Occurrences that end a run, besides the statuses."),
    ] = None
    reentry: Annotated[
        ReentryRule | None, Field(description="Null: once for a lead, always for a tour.")
    ] = None
    min_interval_hours: Annotated[
        Hours | None, Field(description="Shortest time between two runs of a lead.")
    ] = None
    max_age_hours: Annotated[
        Hours | None, Field(description="An older trigger event starts no run. Null: 24 hours.")
    ] = None
    seeded: Flag = False
    changed_by: Foreign | None = None
    change_reason: Annotated[Text | None, _FOR_ALL] = None


class WorkflowActivated(_DefinitionEvent):
    """The trigger of the definition was enabled: it starts runs from now on."""

    name: ClassVar[str] = "workflow.activated"

    activated_by: Foreign | None = None


class WorkflowDeactivated(_DefinitionEvent):
    """The trigger of the definition was disabled; existing runs continue."""

    name: ClassVar[str] = "workflow.deactivated"

    deactivated_by: Foreign | None = None
    reason: Annotated[Text | None, _FOR_ALL] = None


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
    slug: Annotated[Key, Field(description="Key of the template, unique in the property.")]
    display_name: Annotated[Line, _FOR_ALL]
    channel: MessageChannel
    subject: Annotated[Text | None, _FOR_ALL] = None
    body: Annotated[Body, _FOR_ALL]
    is_active: Flag = True
    seeded: Flag = False
    changed_by: Foreign | None = None
    change_reason: Annotated[Text | None, _FOR_ALL] = None


class TemplateRetired(_TemplateEvent):
    """The template was retired and is not used any more."""

    name: ClassVar[str] = "template.retired"

    retired_by: Foreign | None = None
    reason: Annotated[Text | None, _FOR_ALL] = None
