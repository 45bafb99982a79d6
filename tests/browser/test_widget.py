"""The widget on a page with a strict policy: chat, contact details, tour, and an agent's answer."""

from typing import Any

from tests.browser.conftest import OpenScreen
from tests.browser.log_events import read_event, read_events
from tests.browser.screens import NARROW, Screen
from tests.conftest import until
from tests.services.api.site import Site

OPEN = "button.open"


async def open_widget(screen: Screen, site: Site) -> Any:
    """Open the demonstration page and its widget; return the panel."""
    assert await screen.open(f"/widget/demo?key={site.key}") == 200
    await screen.page.locator(OPEN).click()
    return screen.page.get_by_role("dialog")


async def send(panel: Any, text: str) -> None:
    await panel.get_by_label("Your message").fill(text)
    await panel.get_by_role("button", name="Send").click()


async def test_a_visitor_chats_and_an_agent_takes_over(site: Site, screen_of: OpenScreen) -> None:
    async with screen_of(site.manager) as visitor:
        panel = await open_widget(visitor, site)
        await send(panel, "Is <b>a flat</b> free?")
        await panel.get_by_text("Echo: Is <b>a flat</b> free?").wait_for()
        assert await visitor.find_barriers() == []
        await visitor.save("widget-chat")
        conversation = await site.world.pool.fetchval(
            "SELECT id FROM conversations WHERE property_id = $1", site.property_id
        )
        path, headers = f"/api/conversations/{conversation}", site.console_headers()
        assert (await site.client.post(f"{path}/takeover", headers=headers)).is_success
        sent = await site.client.post(
            f"{path}/messages", json={"content": "This is Sam."}, headers=headers
        )
        assert sent.is_success
        await panel.get_by_text("This is Sam.").wait_for()
        await send(panel, "Thank you")
        await panel.get_by_text("A person of the leasing team answers here.").wait_for()
        assert await panel.locator(".log .user").count() == 2
        await visitor.page.reload()
        await visitor.page.locator(OPEN).click()
        await panel.get_by_text("This is Sam.").wait_for()
    assert len(await read_events(site, "conversation.message_received")) == 2


async def test_a_visitor_leaves_contact_details(site: Site, screen_of: OpenScreen) -> None:
    async with screen_of(site.manager, width=NARROW) as visitor:
        panel = await open_widget(visitor, site)
        await panel.get_by_role("button", name="Contact us").click()
        await panel.get_by_label("First name").fill("Ada")
        await panel.get_by_label("E-mail").fill("ada@example.com")
        assert await visitor.find_barriers() == []
        assert await visitor.overflow() == 0
        await visitor.save("widget-contact-narrow")
        await panel.get_by_role("button", name="Send").click()
        await panel.get_by_text("Thank you! We will be in touch.").wait_for()
    await site.project()
    await site.find_lead("ada@example.com")
    await read_event(site, "lead.captured", email="ada@example.com")


async def test_a_visitor_books_a_tour(site: Site, screen_of: OpenScreen) -> None:
    async with screen_of(site.manager) as visitor:
        panel = await open_widget(visitor, site)
        await panel.get_by_role("button", name="Book a tour").click()
        await panel.get_by_label("E-mail").fill("ada@example.com")
        assert await visitor.find_barriers() == []
        await visitor.save("widget-tour")
        await panel.get_by_role("button", name="Book the tour").click()
        await panel.get_by_text("Your tour is booked for").wait_for()
        link = panel.get_by_role("link", name="Add it to your calendar")
        assert (await link.get_attribute("href")).startswith("data:text/calendar")
    await read_event(site, "tour.scheduled")


async def test_the_widget_works_with_keys_alone(site: Site, screen_of: OpenScreen) -> None:
    async with screen_of(site.manager) as visitor:
        await visitor.open(f"/widget/demo?key={site.key}")
        await visitor.page.locator(OPEN).wait_for()
        await visitor.page.keyboard.press("Tab")
        await visitor.page.keyboard.press("Enter")
        await visitor.page.keyboard.type("Hello")
        await visitor.page.keyboard.press("Enter")
        await visitor.page.get_by_text("Echo: Hello").wait_for()
        await visitor.page.keyboard.press("Escape")
        assert not await visitor.page.get_by_role("dialog").is_visible()


async def test_a_page_with_an_unknown_key_stays_as_it_is(site: Site, screen_of: OpenScreen) -> None:
    async with screen_of(site.manager) as visitor:
        await visitor.open("/widget/demo?key=%22%3E%3Cb%3E")
        await until(lambda: visitor.findings, 10)
        assert "404" in visitor.findings[0]
        visitor.findings.clear()
        assert await visitor.page.locator(OPEN).count() == 0
        assert await visitor.page.locator("b").count() == 0
