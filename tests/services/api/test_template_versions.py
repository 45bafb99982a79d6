"""A template over HTTP: its versions, with who made them, and why."""

from uuid import uuid4

from tests.services.api.site import Site
from tests.services.api.workflow_requests import TEMPLATES, create_template


async def test_a_template_has_its_versions(site: Site) -> None:
    template = await create_template(site)
    path = f"{TEMPLATES}/{template['id']}"
    await site.client.patch(
        path, json={"body": "Hello!", "changeReason": "politer"}, headers=site.console_headers()
    )
    found = (await site.client.get(path, headers=site.console_headers(site.viewer))).json()
    assert (found["template"]["version"], found["template"]["body"]) == (2, "Hello!")
    versions = [(one["version"], one["body"], one["change_reason"]) for one in found["versions"]]
    assert versions == [(2, "Hello!", "politer"), (1, "Hi!", None)]
    assert found["versions"][1]["changed_by"] == str(site.manager)


async def test_an_unknown_template_is_404(site: Site) -> None:
    response = await site.client.get(f"{TEMPLATES}/{uuid4()}", headers=site.console_headers())
    assert response.status_code == 404
