"""Rules for every page of the catalog: no markup of people, nothing of other organisations."""

import re

import asyncpg

from services.api.console.catalog import PAGES
from services.api.schemas import example
from tests.browser.catalog_paths import create_page_examples, paths_of
from tests.services.api.console.visits import open_visit
from tests.services.api.site import Site, create_site
from tests.world import make_world

PAGES_WITH_TEXTS, MIN_LINKS_TO_FORMS = 5, 5
UUID_IN_PATH = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-")
PROBE = "<xss-probe>\"'><xss-probe onclick=alert(1)></title></script><xss-probe>"
"""Markup that would end an attribute, a title, a script or a text, and begin an element."""


async def write_markup(site: Site, lead: str, markup: str = PROBE) -> None:
    """Write markup into each text of a lead that a person or a visitor can write."""
    headers, client = site.console_headers(), site.client
    requests = [
        ("PATCH", "/api/leads", {"leadId": lead, "notes": markup, "source": markup}),
        ("POST", f"/api/leads/{lead}/activities",
         {"type": "note", "description": markup, "metadata": {markup: [markup]}}),
        ("POST", "/api/leadpulse/events",
         {"leadId": lead, "eventType": "price_check", "metadata": {"unit": markup}}),
        ("POST", f"/api/leads/{lead}/tasks", {"title": markup, "notes": markup}),
        ("POST", f"/api/leads/{lead}/tours",
         {"tourDate": "2036-05-20", "tourTime": "11:00", "notes": markup}),
        ("POST", f"/api/leads/{lead}/send-message",
         {"channel": "email", "message": markup, "subject": markup}),
    ]  # fmt: skip
    for method, path, body in requests:
        response = await client.request(method, path, json=body, headers=headers)
        assert response.is_success, (path, response.text)
    await site.send_chat(markup, visitor="v_probe")
    await site.project()


async def test_no_text_of_a_person_becomes_markup(site_in_process: Site) -> None:
    site = site_in_process
    ids = await create_page_examples(site)
    await write_markup(site, ids[example.LEAD])
    escaped = 0
    for profile in (site.admin, None):
        async with open_visit(site, profile) as visit:
            for name, path in paths_of(ids).items():
                shown = await visit.open(path)
                assert shown.tree.xpath("//xss-probe") == [], name
                assert shown.tree.xpath("//*[@*[starts-with(name(), 'on')]]") == [], name
                escaped += "<xss-probe>" in shown.text
    assert escaped >= PAGES_WITH_TEXTS


async def test_no_page_shows_anything_of_another_organisation(
    site_in_process: Site, pool: asyncpg.Pool
) -> None:
    site = site_in_process
    ids = await create_page_examples(site)
    other = await create_site(site.client, await make_world(pool), site.responder)
    async with open_visit(other, other.admin) as visit:
        for name, path in paths_of(ids).items():
            shown = await visit.open(path)
            if UUID_IN_PATH.search(path):
                assert shown.status in (403, 404), name
            for shared in (ids[example.LEAD], example.CONVERSATION, "Ada"):
                assert shared not in shown.text.replace(path, ""), name


async def test_a_viewer_sees_no_button_that_would_be_refused(site_in_process: Site) -> None:
    site = site_in_process
    ids = await create_page_examples(site)
    forms = [re.compile(_pattern(route.path)) for route in PAGES if "POST" in (route.methods or ())]
    async with open_visit(site, site.viewer) as viewer, open_visit(site, site.admin) as admin:
        links = 0
        for name, path in paths_of(ids).items():
            if any(form.fullmatch(path) for form in forms):
                continue
            for link in (await viewer.open(path)).links():
                target = link.split("?")[0]
                if any(form.fullmatch(target) for form in forms):
                    assert (await viewer.open(link)).status == 200, (name, link)
            links += sum(
                any(form.fullmatch(link.split("?")[0]) for form in forms)
                for link in (await admin.open(path)).links()
            )
        assert links >= MIN_LINKS_TO_FORMS


def _pattern(path: str) -> str:
    return re.sub(r"{\w+}", "[^/]+", path)
