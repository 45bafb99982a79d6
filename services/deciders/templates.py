"""Templates: the texts of messages, version after version, each with a slug of its own."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never
from uuid import UUID

from events.event import Event
from events.record import Stream
from events.workflows import MessageChannel, TemplateDefined, TemplateRetired
from services.deciders.decider import Decider, Refused, UnknownSubject
from services.deciders.fields import without_nulls
from services.deciders.rendering import variables_of
from services.deciders.workflows import demand_version

SMS_CHARACTERS = 1_600
_SLUG = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Wording:
    """What a person writes down of a template."""

    slug: str
    display_name: str
    channel: MessageChannel
    body: str
    subject: str | None = None
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class DefineTemplate:
    """Write a template, or a new version of one. `seen` is the version the writer had before them.

    `slug_owner` has the slug, if somebody has. A seeded one is the system's own: it is only
    written where neither it nor its slug is there.
    """

    template_id: UUID
    wording: Wording
    slug_owner: UUID | None = None
    seen: int | None = None
    seeded: bool = False
    changed_by: UUID | None = None
    change_reason: str | None = None


@dataclass(frozen=True, slots=True)
class RetireTemplate:
    """Use a template no more."""

    template_id: UUID
    reason: str | None = None
    retired_by: UUID | None = None


Command: TypeAlias = DefineTemplate | RetireTemplate


@dataclass(frozen=True, slots=True)
class Template:
    """A template in its newest version; version 0 is none."""

    version: int = 0
    wording: Wording | None = None


def streams(command: Command) -> Sequence[Stream]:
    return [Stream("template", command.template_id)]


def evolve(state: Template, event: Event) -> Template:
    match event:
        case TemplateDefined():
            wording = Wording(event.slug, event.display_name, event.channel, event.body,
                              event.subject, event.is_active)  # fmt: skip
            return Template(event.template_version, wording)
        case TemplateRetired():
            if state.wording is None:
                return state
            return replace(state, wording=replace(state.wording, is_active=False))
        case _:
            return state


def decide(command: Command, state: Template) -> list[Event]:
    match command:
        case DefineTemplate():
            return _define(command, state)
        case RetireTemplate():
            if state.wording is None:
                raise UnknownSubject(Stream("template", command.template_id))
            if not state.wording.is_active:
                return []
            said = without_nulls(
                template_id=command.template_id, reason=command.reason,
                retired_by=command.retired_by,
            )  # fmt: skip
            return [TemplateRetired.model_validate(said)]
        case _:
            assert_never(command)


def _define(command: DefineTemplate, state: Template) -> list[Event]:
    wording, taken = command.wording, command.slug_owner not in (None, command.template_id)
    if command.seeded and (state.version or taken):
        return []
    if not state.version and command.seen:
        raise UnknownSubject(Stream("template", command.template_id))
    demand_version(command.seen, state.version)
    _check(wording)
    if taken:
        raise Refused(
            "slug_taken", f"there is a template {wording.slug!r} already", 409,
            {"templateId": str(command.slug_owner)},
        )  # fmt: skip
    if wording == state.wording:
        return []
    if state.wording and (wording.slug, wording.channel) != (
        state.wording.slug, state.wording.channel,
    ):  # fmt: skip
        raise Refused("invalid_template", "steps rely on a template's slug and channel: make a "
                      "new template instead", 400)  # fmt: skip
    return [TemplateDefined.model_validate(without_nulls(
        template_id=command.template_id, template_version=state.version + 1, slug=wording.slug,
        display_name=wording.display_name, channel=wording.channel, subject=wording.subject,
        body=wording.body, is_active=wording.is_active, seeded=command.seeded or None,
        changed_by=command.changed_by, change_reason=command.change_reason,
    ))]  # fmt: skip


def _check(wording: Wording) -> None:
    """Raises `Refused`."""
    if not _SLUG.fullmatch(wording.slug):
        raise _invalid("a slug is small letters and digits, with - or _ between them")
    if not wording.display_name.strip():
        raise _invalid("a template needs a name")
    if not wording.body.strip():
        raise _invalid("a template needs a body")
    variables_of(wording.body)
    if wording.channel is MessageChannel.SMS:
        if wording.subject is not None:
            raise _invalid("an sms has no subject")
        if len(wording.body) > SMS_CHARACTERS:
            raise _invalid(f"an sms has at most {SMS_CHARACTERS:,} characters")
        return
    if wording.subject is None or not wording.subject.strip():
        raise _invalid("an email needs a subject")
    if _CONTROL.search(wording.subject):
        raise _invalid("a subject is one line")
    variables_of(wording.subject)


def _invalid(why: str) -> Refused:
    return Refused("invalid_template", why, 400)


decider: Decider[Command, Template] = Decider(
    (DefineTemplate, RetireTemplate), streams, Template(), evolve, decide
)
