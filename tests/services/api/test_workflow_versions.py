"""A workflow definition over HTTP: its versions and switches, with who made them, and why."""

from uuid import uuid4

from tests.services.api.site import Site
from tests.services.api.workflow_requests import DEFINITIONS, STEPS, create_definition, post


async def test_a_definition_has_its_versions_and_switches(site: Site) -> None:
    created = await create_definition(site, steps=STEPS[1:])
    path = f"{DEFINITIONS}/{created['id']}"
    await site.client.patch(
        path, json={"name": "Other", "changeReason": "clearer"}, headers=site.console_headers()
    )
    await post(site, f"{path}/activate", {})
    await post(site, f"{path}/deactivate", {"reason": "holidays"})
    found = (await site.client.get(path, headers=site.console_headers(site.viewer))).json()
    assert (found["definition"]["version"], found["definition"]["is_active"]) == (2, False)
    newest, first = found["versions"]
    assert (newest["name"], newest["change_reason"]) == ("Other", "clearer")
    assert (first["name"], first["changed_by"]) == ("Greeting", str(site.manager))
    assert [step["id"] for step in first["steps"]] == ["rest"]
    switches = [(one["is_active"], one["reason"]) for one in found["switches"]]
    assert switches == [(False, "holidays"), (True, None)]
    assert {one["switched_by"] for one in found["switches"]} == {str(site.manager)}


async def test_an_unknown_definition_is_404(site: Site) -> None:
    response = await site.client.get(f"{DEFINITIONS}/{uuid4()}", headers=site.console_headers())
    assert response.status_code == 404
