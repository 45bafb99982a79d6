"""Pages of templates: the list, one with its preview for a lead, and the forms that change it."""

from uuid import uuid4

from tests.services.api.console.test_workflows import create_workflow, read_event
from tests.services.api.console.visits import Visit
from tests.services.api.workflow_requests import TEMPLATES, create_template, list_rows

MARKUP = "<b onclick=alert(1)>&amp;"
FORMS = ("edit", "retire")


async def test_the_list_shows_texts_and_who_sends_them(viewer: Visit) -> None:
    site = viewer.site
    path = viewer.at_property("templates")
    assert (await viewer.open(path)).answer == "This property has no template yet."
    definition, _, _ = await create_workflow(site)
    await create_template(site, "other", body=MARKUP, isActive=False)
    await site.project()
    shown = await viewer.open(path)
    assert shown.answer == "1 of 2 templates are active."
    assert f"/console/workflows/{definition}" in shown.links()
    assert MARKUP in shown.text
    assert shown.tree.xpath("//b") == []


async def test_a_preview_is_rendered_for_a_chosen_lead(viewer: Visit) -> None:
    site = viewer.site
    lead = await site.create_lead(firstName=f"Ada {MARKUP}")
    template = await create_template(site, body="Hi {{first_name}}, on {{tour_date}}")
    await site.project()
    path = f"/console/templates/{template['id']}"
    assert f"{path}?lead={lead}" in (await viewer.open(path)).links()
    shown = await viewer.open(f"{path}?lead={lead}")
    assert "would not get it, because tour date is not known" in shown.answer
    assert f"Hi Ada {MARKUP}, on {{{{tour_date}}}}" in shown.text
    await site.book_tour(lead)
    await site.project()
    response = await site.client.get(
        f"{TEMPLATES}/{template['id']}/preview", params={"leadId": str(lead)},
        headers=site.console_headers(),
    )  # fmt: skip
    shown = await viewer.open(f"{path}?lead={lead}")
    assert "would get the text below" in shown.answer
    assert response.json()["body"] in shown.text
    assert shown.tree.xpath("//b") == []
    assert (await viewer.open(f"{path}?lead={uuid4()}")).status == 404


async def test_a_template_is_created_and_a_wrong_variable_refused(manager: Visit) -> None:
    site = manager.site
    path = manager.at_property("templates/new")
    fields = {
        "channel": "sms", "slug": "spring", "name": "Spring", "body": "Hi {{name}}",
        "active": "yes",
    }  # fmt: skip
    refused = await manager.send(path, fields)
    assert (refused.status, "'name' is not a variable" in refused.text) == (400, True)
    assert refused.form()["slug"] == "spring"
    shown = await manager.post(path, {**refused.form(), "body": "Hi {{first_name}}\r\nBye"})
    assert "Spring is a template now." in shown.text
    [row] = await list_rows(site, TEMPLATES)
    assert (row["slug"], row["body"], row["is_active"]) == (
        "spring", "Hi {{first_name}}\nBye", True
    )  # fmt: skip
    assert (await read_event(site, "template.defined"))[0] == f"user:{site.manager}"


async def test_an_edit_creates_a_version_with_its_reason(manager: Visit) -> None:
    site = manager.site
    await create_workflow(site)
    [template] = await list_rows(site, TEMPLATES)
    path = f"/console/templates/{template['id']}/edit"
    form = await manager.open(path)
    assert "Greeting sends the new text from then on" in form.text
    fields = {**form.form(), "body": "Hello!", "reason": "politer"}
    shown = await manager.post(path, fields)
    assert "Hello has version 2 now." in shown.text
    assert "politer" in shown.text
    actor, payload = await read_event(site, "template.defined")
    assert (actor, payload["change_reason"]) == (f"user:{site.manager}", "politer")
    stale = await manager.post(path, {**fields, "body": "Hey!", "command_id": str(uuid4())})
    assert (stale.status, "it has version 2 now, not 1" in stale.text) == (409, True)
    assert stale.form()["body"] == "Hey!"


async def test_a_template_is_switched_off(manager: Visit) -> None:
    site = manager.site
    definition, _, _ = await create_workflow(site)
    await manager.send(f"/console/workflows/{definition}/activate")
    [template] = await list_rows(site, TEMPLATES)
    path = f"/console/templates/{template['id']}/retire"
    assert "in use Greeting is active and sends it" in (await manager.open(path)).text
    shown = await manager.send(path)
    assert shown.answer == "The SMS “Hello” is off: it is not sent."
    actor, payload = await read_event(site, "template.retired")
    assert (actor, payload["retired_by"]) == (f"user:{site.manager}", str(site.manager))
    listed = await manager.open(manager.at_property("templates"))
    assert listed.answer == (
        "0 of 1 template is active; 1 that is off is needed by an active workflow."
    )


async def test_a_viewer_sees_a_template_without_actions(viewer: Visit) -> None:
    template = await create_template(viewer.site)
    path = f"/console/templates/{template['id']}"
    links = (await viewer.open(path)).links()
    assert not [link for link in links if link.rpartition("/")[2] in FORMS]
    for form in FORMS:
        assert (await viewer.open(f"{path}/{form}")).status == 403
    assert (await viewer.open(viewer.at_property("templates/new"))).status == 403


async def test_the_template_of_another_organisation_is_not_found(manager: Visit) -> None:
    for path in ("", *(f"/{form}" for form in FORMS)):
        assert (await manager.open(f"/console/templates/{uuid4()}{path}")).status == 404
