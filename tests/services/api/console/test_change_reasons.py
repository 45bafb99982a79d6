"""The reason that a form asks for: recorded with the change, by everybody who may change."""

from tests.services.api.console.visits import Visit

REASON = "Sie möchte – wirklich – „bald“ einziehen"


async def test_a_form_records_the_reason_with_the_change(manager: Visit) -> None:
    site = manager.site
    lead = await site.create_lead(firstName="Ada")
    await site.project()
    fields = {"status": "contacted", "change_reason": REASON}
    shown = await manager.send(f"/console/leads/{lead}/status", fields)
    assert shown.status == 200
    types = await site.read_event_types()
    assert types[-2:] == ["lead.status_changed", "change.explained"]
    response = await site.client.get(f"/api/leads/{lead}", headers=site.console_headers())
    assert response.json()["lead"]["status"] == "contacted"


async def test_an_empty_reason_is_not_recorded(manager: Visit) -> None:
    site = manager.site
    lead = await site.create_lead(firstName="Ada")
    await site.project()
    await manager.send(f"/console/leads/{lead}/status", {"status": "contacted"})
    assert "change.explained" not in await site.read_event_types()
