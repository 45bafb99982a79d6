"""The form of a lead's name, e-mail address and phone: its event, and who else has the same."""

from uuid import UUID

from tests.services.api.console.test_lead_actions import create_lead, read_actors, read_api
from tests.services.api.console.visits import Visit

MARKUP = "<b onclick=x>Mallory</b>"


async def test_the_details_of_a_lead_are_changed(manager: Visit) -> None:
    lead = await create_lead(manager, firstName="Ada", phone="+12125550123")
    path = f"/console/leads/{lead}"
    assert f"{path}/details" in (await manager.open(path)).links()
    fields = {"first_name": MARKUP, "email": "grace@example.com", "phone": ""}
    shown = await manager.send(f"{path}/details", {**fields, "change_reason": "a call of today"})
    assert (shown.status, shown.tree.xpath("//b")) == (200, [])
    assert "The contact details are changed." in shown.text
    found = (await read_api(manager, f"/api/leads/{lead}"))["lead"]
    assert {name: found[name] for name in fields} == {**fields, "phone": None}
    assert await read_actors(manager, "lead.updated") == [f"user:{manager.site.manager}"]
    assert len(await read_actors(manager, "change.explained")) == 1


async def test_an_invalid_address_is_refused_as_in_the_widget(manager: Visit) -> None:
    lead = await create_lead(manager)
    path = f"/console/leads/{lead}/details"
    shown = await manager.send(path, {"email": "nobody", "first_name": "Ada"})
    assert (shown.status, shown.form(path)["email"]) == (400, "nobody")
    assert "this is not an e-mail address" in shown.text
    assert (await manager.send(path, {"phone": "12"})).status == 400
    assert await read_actors(manager, "lead.updated") == []


async def test_a_known_address_leads_to_a_merge(manager: Visit) -> None:
    other = await create_lead(manager, email="ada@example.com")
    lead = await create_lead(manager, firstName="Ada")
    shown = await manager.send(f"/console/leads/{lead}/details", {"email": "ada@example.com"})
    assert shown.status == 409
    assert _merge_path(lead, other) in shown.links()
    assert (await manager.open(_merge_path(lead, other))).status == 200


async def test_leads_with_the_same_phone_are_shown(manager: Visit) -> None:
    other = await create_lead(manager, firstName=MARKUP, phone="+12125550123")
    lead = await create_lead(manager, firstName="Ada")
    path = f"/console/leads/{lead}/details"
    shown = await manager.send(path, {"phone": "+12125550123"})
    assert shown.tree.xpath("//b") == []
    assert f"{MARKUP} has the same phone" in shown.text
    assert f"/console/leads/{lead}/merge" in shown.links()
    assert _merge_path(lead, other) in (await manager.open(path)).links()


async def test_a_viewer_gets_no_form(viewer: Visit) -> None:
    lead = await create_lead(viewer)
    path = f"/console/leads/{lead}/details"
    assert path not in (await viewer.open(f"/console/leads/{lead}")).links()
    assert (await viewer.open(path)).status == 403


def _merge_path(lead: UUID, other: UUID) -> str:
    return f"/console/leads/{lead}/merge?into={other}"
