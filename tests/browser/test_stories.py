"""Stories with two browsers: each sees what the other one did, and the log says who did it."""

import time

from tests.browser.conftest import OpenScreen
from tests.browser.log_events import read_event
from tests.browser.test_widget import open_widget, send
from tests.services.api.site import Site

LIVE_SECONDS = 5.0
"""A bound for one change on a slow machine. `test_live_changes.py` measures many."""


async def test_an_agent_takes_over_from_the_inbox_and_replies(
    site: Site, screen_of: OpenScreen
) -> None:
    async with screen_of(site.manager) as agent, screen_of(site.viewer) as visitor:
        await agent.open(f"/console/properties/{site.property_id}/inbox")
        await agent.page.locator("#live[data-state=on]").wait_for()
        panel = await open_widget(visitor, site)
        await send(panel, "Is a flat free?")
        await panel.get_by_text("Echo: Is a flat free?").wait_for()
        sent_at = time.monotonic()
        row = agent.page.locator("tr[data-row]").first
        await row.wait_for()
        assert time.monotonic() - sent_at < LIVE_SECONDS
        await agent.save("story-inbox")
        await row.get_by_role("link").click()
        await agent.page.get_by_role("link", name="Take over").click()
        await agent.page.locator("dialog[open] button.primary").click()
        await agent.page.get_by_role("textbox", name="Reply to").fill("This is Sam.")
        await agent.page.get_by_role("button", name="Send").click()
        sent_at = time.monotonic()
        await panel.get_by_text("This is Sam.").wait_for()
        assert time.monotonic() - sent_at < LIVE_SECONDS
        await visitor.save("story-widget")
        await send(panel, "Thank you, Sam")
        await agent.page.locator("#thread").get_by_text("Thank you, Sam").wait_for()
        assert await agent.find_barriers() == []
        await agent.save("story-conversation")
    for event_type in ("conversation.taken_over", "conversation.answered"):
        assert (await read_event(site, event_type))["actor"] == f"user:{site.manager}"
