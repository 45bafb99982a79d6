"""The shapes of message templates."""

from typing import Annotated, ClassVar, TypeAlias
from uuid import UUID

from fastapi import Path

from events.fields import Body, Number, Text, Word
from events.workflows import MessageChannel
from services.api.schemas import example
from services.api.schemas.schema import Answered, AnsweredRow, Examples, Instant, Sent
from services.api.schemas.workflows import Named

TemplateId: TypeAlias = Annotated[UUID, Path(examples=[example.TEMPLATE])]


class TemplateSent(Sent):
    """A new template. Its variables are written `{{first_name}}`."""

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
            "slug": "spring-letter",
            "name": "Spring letter",
            "channel": "email",
            "subject": "Spring at {{property_name}}",
            "body": "Hello {{first_name}},\n\nthe garden is open.",
            "isActive": False,
        },
    }

    property_id: UUID
    slug: Word
    name: Named
    channel: MessageChannel
    subject: Text | None = None
    body: Body
    is_active: bool = True


class TemplateChangeSent(Sent):
    """What is to be changed; what is left out stays. `version` is the one that was read.

    Slug and channel stay for ever, for steps rely on them.
    """

    examples: ClassVar[Examples] = {
        "other words": {"body": "Hello {{first_name}}!", "version": 1},
        "reviewed": {"isActive": True},
    }

    version: Number | None = None
    name: Named | None = None
    subject: Text | None = None
    body: Body | None = None
    is_active: bool | None = None
    change_reason: Text | None = None


class TemplateRow(AnsweredRow):
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


_ROW = {
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


class Templates(Answered):
    """A property's templates, by slug; those that are not in use too."""

    examples: ClassVar[Examples] = {"one": {"templates": [_ROW]}}

    templates: list[TemplateRow]


class TemplateAnswered(Answered):
    """The template as it is now."""

    examples: ClassVar[Examples] = {"a text": {"template": _ROW}}

    template: TemplateRow
