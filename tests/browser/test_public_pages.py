"""Public pages in a browser: the reference of events, the demonstration, the sign-in page."""

from typing import Any

import pytest

from tests.browser.conftest import OpenScreen
from tests.browser.screens import NARROW

PATHS = {
    "docs-events": "/docs/events",
    "docs-event": "/docs/events/tour.scheduled",
    "widget-demo": "/widget/demo",
    "sign-in": "/console/sign-in",
}


@pytest.mark.parametrize("look", [{}, {"theme": "dark"}, {"width": NARROW}], ids=str)
async def test_public_pages_are_free_of_barriers(
    look: dict[str, Any], screen_of: OpenScreen
) -> None:
    async with screen_of(**look) as screen:
        for name, path in PATHS.items():
            assert await screen.open(path) == 200, name
            assert await screen.find_barriers() == [], name
            assert await screen.overflow() <= 0, name
            await screen.save("-".join((name, *map(str, look.values()))))


async def test_an_event_is_found_from_the_console_s_menu(screen_of: OpenScreen) -> None:
    async with screen_of() as screen:
        await screen.open("/console")
        await screen.page.locator("details.who summary").click()
        await screen.page.get_by_role("link", name="Events of the contract").click()
        await screen.page.get_by_role("link", name="tour.scheduled").click()
        assert "tour.scheduled" in await screen.answer()
