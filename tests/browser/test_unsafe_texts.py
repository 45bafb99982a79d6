"""Texts of people in a browser: none of them runs as a script, on any page."""

import asyncio
from typing import Any

import pytest

from services.api.schemas import example
from tests.browser.catalog_paths import paths_of
from tests.browser.conftest import OpenScreen
from tests.conftest import until
from tests.services.api.console.test_every_page import PAGES_WITH_TEXTS, write_markup
from tests.services.api.site import Site, StackSite

POLICY = "Content Security Policy"
MARKUP = (
    "\"'></title></textarea></script><img src=x onerror=alert(1)><svg onload=alert(2)>"
    "<script>alert(3)</script><xss-probe>"
)
"""Markup that runs a script if it is not escaped, and a policy does not refuse it."""


@pytest.fixture
def site(example_site: StackSite) -> StackSite:
    """Return the site of the examples: its people open the pages."""
    return example_site


async def test_markup_of_people_runs_nowhere(
    site: Site, example_ids: dict[str, str], screen_of: OpenScreen
) -> None:
    """The policy is a second protection: nothing may need it. The last page shows that it works."""
    await write_markup(site, example_ids[example.LEAD], MARKUP)
    dialogs: list[str] = []

    async def note_dialog(dialog: Any) -> None:
        dialogs.append(dialog.message)
        await dialog.dismiss()

    async with screen_of() as screen:
        screen.page.on("dialog", note_dialog)
        shown = 0
        for name, path in paths_of(example_ids).items():
            await screen.open(path)
            assert await screen.page.locator("xss-probe").count() == 0, name
            assert [found for found in screen.findings if POLICY in found] == [], name
            screen.findings.clear()
            shown += "<xss-probe>" in await screen.page.locator("body").inner_text()
        assert shown >= PAGES_WITH_TEXTS
        await screen.page.evaluate("(text) => document.body.innerHTML = text", MARKUP)
        await until(lambda: sum(POLICY in found for found in screen.findings) >= 2, 5)
        await screen.page.goto("about:blank")
        await asyncio.sleep(0.5)  # until the browser has reported all that it refused
        screen.findings.clear()
    assert dialogs == []
