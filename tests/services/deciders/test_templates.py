"""The decider of templates: versions, slugs and valid content."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from events.workflows import MessageChannel, TemplateDefined, TemplateRetired
from services.deciders.templates import (
    SMS_CHARACTERS,
    DefineTemplate,
    RetireTemplate,
    TemplateContent,
)
from tests.services.deciders.given import given

TEMPLATE, OTHER = uuid4(), uuid4()
SMS = TemplateContent("hello", "Hello", MessageChannel.SMS, "Hi {{first_name}}!")
MAIL = TemplateContent(
    "welcome", "Welcome", MessageChannel.EMAIL, "Hi {{ first_name }}!", "At {{property_name}}"
)


def defined(version: int, content: TemplateContent = SMS, **more: Any) -> TemplateDefined:
    subject = {"subject": content.subject} if content.subject else {}
    return TemplateDefined.model_validate({
        "template_id": TEMPLATE, "template_version": version, "slug": content.slug,
        "display_name": content.display_name, "channel": content.channel, "body": content.body,
        "is_active": content.is_active, **subject, **more,
    })  # fmt: skip


RETIRED = TemplateRetired(template_id=TEMPLATE)


def test_an_sms_has_at_most_1600_characters() -> None:
    assert given().when(DefineTemplate(TEMPLATE, replace(SMS, body="x" * 1_600))).events
    given().when(DefineTemplate(TEMPLATE, replace(SMS, body="x" * 1_601))).refused(
        "invalid_template", 400
    )


def test_each_change_is_a_new_version() -> None:
    given().when(DefineTemplate(TEMPLATE, SMS)).then(defined(1))
    given().when(DefineTemplate(TEMPLATE, MAIL)).then(defined(1, MAIL))
    other = replace(SMS, body="Hello!")
    given(defined(1)).when(DefineTemplate(TEMPLATE, other, expected_version=1)).then(
        defined(2, other)
    )
    given(defined(1)).when(DefineTemplate(TEMPLATE, SMS)).then()
    given(defined(1)).when(DefineTemplate(TEMPLATE, other, expected_version=2)).refused(
        "stale_version", 409
    )


def test_a_slug_belongs_to_one_template() -> None:
    given().when(DefineTemplate(TEMPLATE, SMS, OTHER)).refused("slug_taken", 409)
    given(defined(1)).when(DefineTemplate(TEMPLATE, replace(SMS, body="x"), TEMPLATE)).then(
        defined(2, replace(SMS, body="x"))
    )


def test_slug_and_channel_cannot_change() -> None:
    for other in (replace(SMS, slug="other"), replace(MAIL, slug="hello")):
        given(defined(1)).when(DefineTemplate(TEMPLATE, other)).refused("invalid_template", 400)


def test_a_default_never_replaces_an_existing_template() -> None:
    seeded = DefineTemplate(TEMPLATE, SMS, seeded=True)
    given().when(seeded).then(defined(1, seeded=True))
    given(defined(1, replace(SMS, body="Ours"))).when(seeded).then()
    given().when(replace(seeded, slug_owner=OTHER)).then()


def test_a_retired_template_can_be_defined_again() -> None:
    retire = RetireTemplate(TEMPLATE)
    given(defined(1)).when(retire).then(RETIRED)
    given(defined(1), RETIRED).when(retire).then()
    given(defined(1), RETIRED).when(DefineTemplate(TEMPLATE, SMS)).then(defined(2))
    given().when(retire).refused("unknown_subject", 404)
    given().when(DefineTemplate(TEMPLATE, SMS, expected_version=1)).refused("unknown_subject", 404)


@pytest.mark.parametrize(
    "content",
    [
        replace(SMS, subject="x"), replace(MAIL, subject=None), replace(MAIL, subject="  "),
        replace(MAIL, subject="a\nBcc: everybody"), replace(SMS, body=" \n"),
        replace(SMS, display_name=""), replace(SMS, body="x" * (SMS_CHARACTERS + 1)),
        *(replace(SMS, slug=slug) for slug in ("", "Hello", "a b", "-a", "a--b", "ä", "a\n")),
    ],
)  # fmt: skip
def test_invalid_content_is_refused(content: TemplateContent) -> None:
    given().when(DefineTemplate(TEMPLATE, content)).refused("invalid_template", 400)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (replace(SMS, body="Hi {{name}}"), "unknown_variable"),
        (replace(SMS, body="Hi {first_name}"), "malformed_variable"),
        (replace(MAIL, subject="Hi {{name}}"), "unknown_variable"),
        (replace(MAIL, subject="Hi {{first_name}"), "malformed_variable"),
    ],
)
def test_an_unknown_or_malformed_variable_is_refused(content: TemplateContent, code: str) -> None:
    given().when(DefineTemplate(TEMPLATE, content)).refused(code, 400)
