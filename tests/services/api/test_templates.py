"""Message templates over HTTP."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.services.api.site import Site
from tests.services.api.workflow_requests import (
    TEMPLATES,
    create_template,
    list_rows,
    post,
    template_body,
)


async def test_a_template_is_listed_as_in_its_response_and_changes_create_versions(
    site: Site,
) -> None:
    created = await create_template(site, channel="email", subject="At {{property_name}}")
    assert (created["version"], created["is_active"], created["seeded"]) == (1, True, False)
    assert await list_rows(site, TEMPLATES) == [created]
    url = f"{TEMPLATES}/{created['id']}"

    async def patch(body: Any) -> Any:
        return await site.client.patch(url, json=body, headers=site.console_headers())

    changed = (await patch({"body": "Hello {{first_name}}", "version": 1})).json()["template"]
    assert (changed["version"], changed["body"], changed["subject"]) == (
        2, "Hello {{first_name}}", created["subject"],
    )  # fmt: skip
    assert (await patch({"name": "x", "version": 1})).json()["code"] == "stale_version"
    assert (await patch({"subject": None})).json()["code"] == "invalid_template"
    deleted = await site.client.delete(url, headers=site.console_headers())
    assert deleted.json() == {"success": True}
    (row,) = await list_rows(site, TEMPLATES)
    assert (row["is_active"], row["version"]) == (False, 2)
    assert (await patch({"isActive": True})).json()["template"]["is_active"] is True


async def test_one_of_several_parallel_templates_with_a_slug_is_created(site: Site) -> None:
    body = template_body(site)
    responses = await asyncio.gather(*(post(site, TEMPLATES, body) for _ in range(5)))
    assert sorted(response.status_code for response in responses) == [201, 409, 409, 409, 409]
    (created,) = await list_rows(site, TEMPLATES)
    for response in responses:
        if response.status_code == 409:
            assert response.json()["code"] == "slug_taken"
            assert response.json()["templateId"] == created["id"]
    await site.client.delete(f"{TEMPLATES}/{created['id']}", headers=site.console_headers())
    assert (await post(site, TEMPLATES, body)).json()["code"] == "slug_taken"


@pytest.mark.parametrize(
    ("more", "code", "mentioned"),
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
async def test_an_invalid_template_is_refused_with_the_reason(
    site: Site, more: dict[str, Any], code: str, mentioned: str
) -> None:
    response = await post(site, TEMPLATES, template_body(site, **more))
    assert (response.status_code, response.json()["code"]) == (400, code)
    assert mentioned in response.json()["error"]
    assert await site.read_event_types() == []


async def test_an_unknown_template_is_not_found(site: Site) -> None:
    for field in ("name", "body"):
        response = await site.client.patch(
            f"{TEMPLATES}/{uuid4()}", json={field: "x"}, headers=site.console_headers()
        )
        assert (response.status_code, response.json()["error"]) == (
            404,
            "template not found: check its id",
        )
