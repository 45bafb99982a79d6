"""The notice after a form: it leads to the event, or to the lead's timeline."""

from tests.services.api.console.visits import Visit, open_visit
from tests.services.api.site import Site


async def follow_notice(visit: Visit, path: str, fields: dict[str, str]) -> str | None:
    """Send a form and return where its notice leads."""
    shown = await visit.send(path, fields)
    assert shown.status == 200, shown.text
    links = shown.tree.xpath("//p[@class='done']//a/@href")
    return str(links[0]) if links else None


async def test_the_notice_of_an_admin_leads_to_the_event(site_in_process: Site) -> None:
    lead = await site_in_process.create_lead()
    await site_in_process.project()
    async with open_visit(site_in_process, site_in_process.admin) as admin:
        path = f"/console/leads/{lead}/status"
        link = await follow_notice(admin, path, {"status": "contacted"})
        assert link is not None
        event = await admin.open(link)
        assert event.status == 200
        assert "lead.status_changed" in event.text


async def test_the_notice_of_a_manager_leads_to_the_timeline(manager: Visit) -> None:
    lead = await manager.site.create_lead()
    await manager.site.project()
    path = f"/console/leads/{lead}"
    link = await follow_notice(manager, f"{path}/note", {"description": "Hello"})
    assert link == f"{path}#timeline-title"


async def test_a_form_without_an_event_has_no_link(manager: Visit) -> None:
    lead = await manager.site.create_lead()
    await manager.site.project()
    path = f"/console/leads/{lead}/agent"
    assert await follow_notice(manager, path, {"agent": ""}) is None
