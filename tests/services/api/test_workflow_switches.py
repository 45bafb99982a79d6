"""Activation and deactivation of workflow definitions, over HTTP."""

from tests.services.api.site import Site
from tests.services.api.workflow_requests import (
    DEFINITIONS,
    STEPS,
    TEMPLATES,
    create_definition,
    create_template,
    list_rows,
    post,
)


async def test_two_definitions_with_one_trigger_can_both_be_active(site: Site) -> None:
    await create_template(site)
    for name in ("First", "Second"):
        created = await create_definition(site, name=name)
        response = await post(site, f"{DEFINITIONS}/{created['id']}/activate", {})
        assert response.status_code == 200, response.text
    rows = await list_rows(site)
    assert [(row["name"], row["trigger_on"], row["is_active"]) for row in rows] == [
        ("First", "lead_created", True), ("Second", "lead_created", True),
    ]  # fmt: skip


async def test_an_activation_needs_no_body(site: Site) -> None:
    await create_template(site)
    url = f"{DEFINITIONS}/{(await create_definition(site))['id']}"
    for path, is_active in (("activate", True), ("deactivate", False)):
        response = await site.client.post(f"{url}/{path}", headers=site.console_headers())
        assert response.status_code == 200, response.text
        assert response.json()["definition"]["is_active"] is is_active
        for content_type in ("application/json", "application/x-www-form-urlencoded"):
            headers = site.console_headers(more={"Content-Type": content_type})
            again = await site.client.post(f"{url}/{path}", headers=headers, content=b"")
            assert again.status_code == 200, (content_type, again.text)
    refused = await site.client.post(DEFINITIONS, headers=site.console_headers())
    assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_media_type")


async def test_a_definition_without_a_ready_template_cannot_be_activated(site: Site) -> None:
    created = await create_definition(site)
    url = f"{DEFINITIONS}/{created['id']}/activate"
    await create_template(site, "hello", channel="email", subject="Hi")
    response = await post(site, url, {})
    assert (response.status_code, response.json()["code"]) == (409, "template_not_ready")
    assert "hello" in response.json()["error"]
    await create_template(site, "hi", isActive=False)
    steps = [STEPS[0] | {"templateSlug": "hi"}]
    await site.client.patch(
        f"{DEFINITIONS}/{created['id']}", json={"steps": steps}, headers=site.console_headers()
    )
    assert (await post(site, url, {})).status_code == 409
    (row,) = [row for row in await list_rows(site, TEMPLATES) if row["slug"] == "hi"]
    reviewed = await site.client.patch(
        f"{TEMPLATES}/{row['id']}", json={"isActive": True}, headers=site.console_headers()
    )
    assert reviewed.json()["template"]["is_active"] is True
    assert (await post(site, url, {})).json()["definition"]["is_active"] is True
    changed = await site.client.patch(
        f"{DEFINITIONS}/{created['id']}", json={"steps": STEPS}, headers=site.console_headers()
    )
    assert changed.json()["code"] == "template_not_ready"
    deactivated = await post(
        site, f"{DEFINITIONS}/{created['id']}/deactivate", {"reason": "summer"}
    )
    assert deactivated.json()["definition"]["is_active"] is False
