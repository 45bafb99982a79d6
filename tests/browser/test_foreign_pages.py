"""Pages of other sites and other organisations: what a browser sends or shows for them."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import pytest

from services.api.console.links import make_link_token
from services.api.schemas import example
from tests.browser.catalog_paths import paths_of
from tests.browser.conftest import OpenScreen
from tests.browser.log_events import read_events
from tests.browser.running_stack import RunningStack
from tests.conftest import JWT_SECRET, until
from tests.services.api.console.test_every_page import (
    UUID_IN_PATH,
)
from tests.services.api.site import Site, StackSite, make_bearer_token

OWN_EVENTS = {"everything", "table-age"}
"""The events in the stream of a property without changes."""
LIVE = "/console/properties/{}/live"
ELSEWHERE = "https://evil.example"
"""An origin that no request reaches: the test answers for it."""
NEXT = (
    f"{ELSEWHERE}/x", "//evil.example/x", "/\\evil.example", "/console/../..//evil.example",
    "javascript:alert(1)", "/console@evil.example", "/consoleevil.example", "\t//evil.example",
)  # fmt: skip
READ_STREAM = """async (path) => {
  const response = await fetch(path);
  const reader = response.body.getReader();
  const timeout = setTimeout(() => reader.cancel(), 1500);
  let text = "";
  for (let part; !(part = await reader.read()).done;) text += new TextDecoder().decode(part.value);
  clearTimeout(timeout);
  return [response.status, text];
}"""


@asynccontextmanager
async def open_elsewhere(page: Any, body: str) -> AsyncIterator[None]:
    """Show a page of another origin with this body."""

    async def answer(route: Any) -> None:
        await route.fulfill(status=200, content_type="text/html", body=body)

    await page.route(f"{ELSEWHERE}/**", answer)
    await page.goto(f"{ELSEWHERE}/")
    yield
    await page.unroute(f"{ELSEWHERE}/**")


async def test_an_agent_of_another_organisation_sees_nothing_on_any_page(
    example_site: StackSite, example_ids: dict[str, str], stack: RunningStack,
    screen_of: OpenScreen, site: Site,
) -> None:  # fmt: skip
    ids, other, site = example_ids, site, example_site
    await stack.pool.execute(
        "UPDATE properties SET name = 'Secret House' WHERE id = $1", site.property_id
    )
    names = (ids[example.LEAD], example.CONVERSATION, "Ada", "Secret House", str(site.manager))
    async with screen_of(other.admin) as stranger:
        for name, path in paths_of(ids).items():
            response = await stranger.page.goto(stranger.address + path)
            text = (await response.text()).replace(path, "")
            if UUID_IN_PATH.search(path):
                assert response.status in (403, 404), name
            assert [word for word in names if word in text] == [], name
        status, text = await stranger.page.evaluate(READ_STREAM, LIVE.format(site.property_id))
        assert (status, "event:" in text) == (404, False)
        assert str(site.property_id) not in text.replace(LIVE.format(site.property_id), "")
        reading = asyncio.ensure_future(
            stranger.page.evaluate(READ_STREAM, LIVE.format(other.property_id))
        )
        await site.create_lead(firstName="Mallory")
        status, text = await reading
        assert (status, set(re.findall("event: (.*)", text))) == (200, OWN_EVENTS)
        stranger.findings[:] = [found for found in stranger.findings if "40" not in found]


async def test_a_form_of_another_site_is_refused(site: Site, screen_of: OpenScreen) -> None:
    lead = await site.create_lead(firstName="Ada")
    await site.project()
    async with screen_of(site.manager) as agent:
        await agent.open(f"/console/leads/{lead}")
        form = (
            f'<form method="post" action="{agent.address}/console/leads/{lead}/note">'
            '<input name="description" value="forged"><button>Win</button></form>'
        )
        async with open_elsewhere(agent.page, form):
            async with agent.page.expect_response("**/note") as sent:
                await agent.page.get_by_role("button", name="Win").click()
            assert (await sent.value).status in (401, 403)
        assert await read_events(site, "activity.recorded") == await read_notes(site)
        await agent.open(f"/console/leads/{lead}")
        assert await agent.page.get_by_text("forged").count() == 0
        agent.findings.clear()


async def read_notes(site: Site) -> list[dict[str, Any]]:
    """Return the recorded activities that no other site sent."""
    return [
        event
        for event in await read_events(site, "activity.recorded")
        if event["payload"]["description"] != "forged"
    ]


async def test_no_page_is_shown_inside_a_page_of_another_site(
    site: Site, screen_of: OpenScreen
) -> None:
    lead = await site.create_lead(firstName="Ada")
    await site.project()
    async with screen_of(site.manager) as agent:
        for path in (f"/console/leads/{lead}", "/console/sign-in", "/widget/demo"):
            await agent.open(path)
            frame = f'<iframe src="{agent.address}{path}"></iframe>'
            async with open_elsewhere(agent.page, frame):
                await until(lambda: agent.page.frames[1].url.startswith("chrome-error:"))
                assert await agent.page.frames[1].locator("main").count() == 0, path
        agent.findings.clear()


@pytest.mark.parametrize("way", ["form", "link"])
async def test_signing_in_never_leads_to_another_host(
    way: str, browser: Any, site: Site, stack: RunningStack
) -> None:
    for text in NEXT:
        context = await browser.new_context()
        requested: list[str] = []
        context.on("request", lambda request, found=requested: found.append(request.url))
        page = await context.new_page()
        address = f"{stack.address}/console/sign-in?next={quote(text)}"
        if way == "link":
            link = make_link_token(JWT_SECRET, site.manager, operator=False)
            await page.goto(f"{address}&link={link}")
        else:
            await page.goto(address)
            await page.get_by_label("Token").fill(make_bearer_token(site.manager))
            await page.evaluate(
                "(next) => document.querySelector('[name=next]').value = next", text
            )
            await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(lambda url: "/console/sign-in" not in url)
        await context.close()
        assert [url for url in requested if not url.startswith(f"{stack.address}/")] == [], text
