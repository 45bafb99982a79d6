"""Message templates through real HTTP."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.services.api.conftest import Site
from tests.services.api.flows import TEMPLATES, listed, post, template


async def test_a_template_is_listed_as_it_was_answered_and_changed_in_versions(site: Site) -> None:
    made = await template(site, channel="email", subject="At {{property_name}}")
    assert (made["version"], made["is_active"], made["seeded"]) == (1, True, False)
    assert await listed(site, TEMPLATES) == [made]
    url = f"{TEMPLATES}/{made['id']}"

    async def patch(body: Any) -> Any:
        return await site.client.patch(url, json=body, headers=site.console())

    changed = (await patch({"body": "Hello {{first_name}}", "version": 1})).json()["template"]
    assert (changed["version"], changed["body"], changed["subject"]) == (
        2, "Hello {{first_name}}", made["subject"],
    )  # fmt: skip
    assert (await patch({"name": "x", "version": 1})).json()["code"] == "stale_version"
    assert (await patch({"subject": None})).json()["code"] == "invalid_template"
    gone = await site.client.delete(url, headers=site.console())
    assert gone.json() == {"success": True}
    (row,) = await listed(site, TEMPLATES)
    assert (row["is_active"], row["version"]) == (False, 2)
    assert (await patch({"isActive": True})).json()["template"]["is_active"]


async def test_a_slug_has_one_template_of_a_property_however_many_race(site: Site) -> None:
    body = {"propertyId": str(site.property_id), "slug": "hello", "name": "x", "channel": "sms",
            "body": "Hi"}  # fmt: skip
    answers = await asyncio.gather(*(post(site, TEMPLATES, body) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    (made,) = await listed(site, TEMPLATES)
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["code"] == "slug_taken"
            assert answer.json()["templateId"] == made["id"]
    await site.client.delete(f"{TEMPLATES}/{made['id']}", headers=site.console())
    assert (await post(site, TEMPLATES, body)).json()["code"] == "slug_taken"


@pytest.mark.parametrize(
    ("more", "code", "named"),
    [
        ({"body": "Hi {{name}}"}, "unknown_variable", "name"),
        ({"body": "Hi {{first_name"}, "malformed_variable", "{{first_name"),
        ({"body": "Hi {first_name}"}, "malformed_variable", "{first_name}"),
        ({"channel": "email", "subject": "{{x}}"}, "unknown_variable", "x"),
        ({"channel": "email"}, "invalid_template", "subject"),
        ({"channel": "email", "subject": "a\r\nBcc: b"}, "invalid_template", "line"),
        ({"subject": "Hi"}, "invalid_template", "subject"),
        ({"slug": "No Slug"}, "invalid_template", "slug"),
        ({"body": " "}, "invalid_template", "body"),
        ({"body": "x" * 1_601}, "invalid_template", "1,600"),
        ({"body": "x" * 20_001}, "invalid", "body"),
        ({"channel": "fax"}, "invalid", "channel"),
        ({"body": "\x00"}, "invalid", "body"),
    ],
    ids=str,
)
async def test_what_makes_no_template_is_refused_and_named(
    site: Site, more: dict[str, Any], code: str, named: str
) -> None:
    body = {"propertyId": str(site.property_id), "slug": "hello", "name": "Hello",
            "channel": "sms", "body": "Hi", **more}  # fmt: skip
    answer = await post(site, TEMPLATES, body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert named in answer.json()["error"]
    assert await site.log() == []


async def test_what_is_not_there_is_not_found(site: Site) -> None:
    for name in ("name", "body"):
        answer = await site.client.patch(
            f"{TEMPLATES}/{uuid4()}", json={name: "x"}, headers=site.console()
        )
        assert (answer.status_code, answer.json()["error"]) == (404, "template not found")
