"""The page of the widget: how to embed it, its state in words, and a new key."""

import re

from services.api.widget_page.routes import DEMO_PATH
from tests.services.api.console.visits import Visit, open_visit
from tests.services.api.site import WIDGET_ADMIN, WIDGET_CONFIG, Site


async def test_the_page_says_who_may_show_the_widget_and_how(site_in_process: Site) -> None:
    async with open_visit(site_in_process, site_in_process.admin) as admin:
        shown = await admin.open(admin.at_property("widget"))
    assert shown.answer == "The widget of Alder 0 is on: 1 web site may show it."
    assert '<script src="http://test/widget.js" data-key="lk_…" defer></script>' in shown.text
    assert "script-src http://test; connect-src http://test" in shown.text
    (form,) = [form for form in shown.tree.forms if form.action == DEMO_PATH]
    assert "key" in form.fields


async def test_a_widget_that_is_switched_off_is_named_so(site_in_process: Site) -> None:
    site = site_in_process
    body = {"propertyId": str(site.property_id), "config": {"isActive": False}}
    response = await site.client.put(
        f"{WIDGET_ADMIN}/config", json=body, headers=site.console_headers(site.admin)
    )
    assert response.is_success
    await site.project()
    async with open_visit(site, site.admin) as admin:
        shown = await admin.open(admin.at_property("widget"))
    assert "is switched off" in shown.answer


async def test_a_manager_sees_how_to_embed_it_but_no_settings(manager: Visit) -> None:
    path = manager.at_property("widget")
    shown = await manager.open(path)
    assert "One line of HTML" in shown.answer
    assert f"{path}/key" not in shown.links()
    assert (await manager.open(f"{path}/key")).status == 403


async def test_the_widget_is_not_for_viewers(viewer: Visit) -> None:
    path = viewer.at_property("widget")
    assert path not in (await viewer.open("/console")).links()
    assert (await viewer.open(path)).status == 403


async def test_an_admin_makes_a_key_that_works_and_is_shown_once(site_in_process: Site) -> None:
    site = site_in_process
    async with open_visit(site, site.admin) as admin:
        path = admin.at_property("widget")
        shown = await admin.send(f"{path}/key", {"hours": "0"})
        found = re.search(r"lk_[\w-]{20,}", shown.text)
        assert found is not None
        assert found.group() not in (await admin.open(path)).text
    headers = {"X-API-Key": found.group(), "X-Visitor-ID": "v_1"}
    assert (await site.client.get(WIDGET_CONFIG, headers=headers)).status_code == 200
    old = await site.client.get(WIDGET_CONFIG, headers=site.widget_headers())
    assert old.status_code == 404
    event = await site.world.pool.fetchrow(
        "SELECT actor FROM crm_events WHERE event_type = 'widget.key_issued' "
        "ORDER BY seq DESC LIMIT 1"
    )
    assert event is not None
    assert event["actor"] == f"user:{site.admin}"
