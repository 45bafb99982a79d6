"""The decider of message templates, which have versions and a slug that is unique."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never
from uuid import UUID

from events.event import Event
from events.record import Stream
from events.workflows import MessageChannel, TemplateDefined, TemplateRetired
from services.deciders.decider import Decider, Refused, UnknownSubject
from services.deciders.rendering import parse_variables
from services.deciders.workflows import require_version

SMS_CHARACTERS = 1_600
_SLUG = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class TemplateContent:
    """The content of a template version, as an editor writes it."""

    slug: str
    display_name: str
    channel: MessageChannel
    body: str
    subject: str | None = None
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class DefineTemplate:
    """Define a template, or a new version of one.

    `expected_version` is the version that the editor saw. `slug_owner` is the template that has the
    slug, if any. A `seeded` template is a default of the system: it is skipped if the template or
    its slug exists.
    """

    template_id: UUID
    content: TemplateContent
    slug_owner: UUID | None = None
    expected_version: int | None = None
    seeded: bool = False
    changed_by: UUID | None = None
    change_reason: str | None = None


@dataclass(frozen=True, slots=True)
class RetireTemplate:
    """Stop using a template."""

    template_id: UUID
    reason: str | None = None
    retired_by: UUID | None = None


Command: TypeAlias = DefineTemplate | RetireTemplate


@dataclass(frozen=True, slots=True)
class Template:
    """The newest version of a template; version 0 means that it does not exist."""

    version: int = 0
    content: TemplateContent | None = None


def streams(command: Command) -> Sequence[Stream]:
    return [Stream("template", command.template_id)]


def evolve(state: Template, event: Event) -> Template:
    match event:
        case TemplateDefined():
            content = TemplateContent(event.slug, event.display_name, event.channel, event.body,
                                      event.subject, event.is_active)  # fmt: skip
            return Template(event.template_version, content)
        case TemplateRetired():
            if state.content is None:
                return state
            return replace(state, content=replace(state.content, is_active=False))
        case _:
            return state


def decide(command: Command, state: Template) -> list[Event]:
    match command:
        case DefineTemplate():
            return _define(command, state)
        case RetireTemplate():
            if state.content is None:
                raise UnknownSubject(Stream("template", command.template_id))
            if not state.content.is_active:
                return []
            return [TemplateRetired(
                template_id=command.template_id, reason=command.reason,
                retired_by=command.retired_by,
            )]  # fmt: skip
        case _:
            assert_never(command)


def _define(command: DefineTemplate, state: Template) -> list[Event]:
    content = command.content
    is_slug_taken = command.slug_owner not in (None, command.template_id)
    if command.seeded and (state.version or is_slug_taken):
        return []
    if not state.version and command.expected_version:
        raise UnknownSubject(Stream("template", command.template_id))
    require_version(command.expected_version, state.version)
    _check(content)
    if is_slug_taken:
        raise Refused(
            "slug_taken", f"another template has the slug {content.slug!r}", 409,
            {"templateId": str(command.slug_owner)},
        )  # fmt: skip
    if content == state.content:
        return []
    if state.content and (content.slug, content.channel) != (
        state.content.slug, state.content.channel,
    ):  # fmt: skip
        raise Refused(
            "invalid_template",
            "the slug and the channel cannot change, workflow steps refer to them: "
            "define a new template", 400,
        )  # fmt: skip
    return [TemplateDefined(
        template_id=command.template_id, template_version=state.version + 1, slug=content.slug,
        display_name=content.display_name, channel=content.channel, subject=content.subject,
        body=content.body, is_active=content.is_active, seeded=command.seeded,
        changed_by=command.changed_by, change_reason=command.change_reason,
    )]  # fmt: skip


def _check(content: TemplateContent) -> None:
    """Raise `Refused` if the content of a template is not valid for its channel."""
    if not _SLUG.fullmatch(content.slug):
        raise _invalid("a slug has lower case letters and digits, with - or _ between them")
    if not content.display_name.strip():
        raise _invalid("a template needs a name")
    if not content.body.strip():
        raise _invalid("a template needs a body")
    parse_variables(content.body)
    if content.channel is MessageChannel.SMS:
        if content.subject is not None:
            raise _invalid("an sms has no subject")
        if len(content.body) > SMS_CHARACTERS:
            raise _invalid(f"an sms has at most {SMS_CHARACTERS:,} characters")
        return
    if content.subject is None or not content.subject.strip():
        raise _invalid("an email needs a subject")
    if _CONTROL.search(content.subject):
        raise _invalid("a subject has one line")
    parse_variables(content.subject)


def _invalid(why: str) -> Refused:
    return Refused("invalid_template", why, 400)


decider: Decider[Command, Template] = Decider(
    "template", (DefineTemplate, RetireTemplate), streams, Template(), evolve, decide
)
