"""Requests and responses of message templates."""

from typing import Annotated, ClassVar, TypeAlias
from uuid import UUID

from fastapi import Path

from events.fields import Body, Number, Text, Word
from events.workflows import MessageChannel
from services.api.schemas import example
from services.api.schemas.schema import (
    ChangeModel,
    Examples,
    Instant,
    RequestModel,
    ResponseModel,
    ResponseRow,
)
from services.api.schemas.workflows import DisplayName

TemplateId: TypeAlias = Annotated[UUID, Path(examples=[example.TEMPLATE])]


class TemplateRequest(RequestModel):
    """A new template. Variables are written `{{first_name}}`."""

    examples: ClassVar[Examples] = {
        "a text": {
            "propertyId": example.PROPERTY,
            "slug": "spring-hello",
            "name": "Spring hello",
            "channel": "sms",
            "body": "Hi {{first_name}}, this is {{property_name}}.",
        },
        "a mail": {
            "propertyId": example.PROPERTY,
            "slug": "spring-mail",
            "name": "Spring mail",
            "channel": "email",
            "subject": "Spring at {{property_name}}",
            "body": "Hello {{first_name}},\n\nthe garden is open.",
            "isActive": False,
        },
    }

    property_id: UUID
    slug: Word
    name: DisplayName
    channel: MessageChannel
    subject: Text | None = None
    body: Body
    is_active: bool = True


class TemplateChangeRequest(ChangeModel):
    """A change of a template. Missing fields stay unchanged. `version` is the one that was read.

    Slug and channel cannot be changed, because steps of workflows depend on them.
    """

    examples: ClassVar[Examples] = {
        "other words": {"body": "Hello {{first_name}}!", "version": 1},
        "reviewed": {"isActive": True},
    }
    addressing: ClassVar[frozenset[str]] = frozenset({"version", "change_reason"})

    version: Number | None = None
    name: DisplayName | None = None
    subject: Text | None = None
    body: Body | None = None
    is_active: bool | None = None
    change_reason: Text | None = None


class TemplateRow(ResponseRow):
    """A template as it is in its table, in its newest version."""

    id: UUID
    property_id: UUID
    slug: str
    name: str
    channel: MessageChannel
    subject: str | None
    body: str
    is_active: bool
    created_at: Instant
    updated_at: Instant
    org_id: UUID
    version: int
    seeded: bool


TEMPLATE_EXAMPLE = {
    "id": example.TEMPLATE,
    "property_id": example.PROPERTY,
    "slug": example.SLUG,
    "name": "Spring hello",
    "channel": "sms",
    "subject": None,
    "body": "Hi {{first_name}}, this is {{property_name}}.",
    "is_active": True,
    "created_at": example.AT,
    "updated_at": example.AT,
    "org_id": example.ORGANIZATION,
    "version": 1,
    "seeded": False,
}


class TemplateListResponse(ResponseModel):
    """The templates of a property, by slug, also inactive ones."""

    examples: ClassVar[Examples] = {"one": {"templates": [TEMPLATE_EXAMPLE]}}

    templates: list[TemplateRow]


class TemplateResponse(ResponseModel):
    """The template after the change."""

    examples: ClassVar[Examples] = {"a text": {"template": TEMPLATE_EXAMPLE}}

    template: TemplateRow
