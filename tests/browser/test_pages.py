"""Each page of the catalog in a browser: readable by everybody, at each width, in both themes."""

import re
from typing import Any

import pytest

from tests.browser.catalog_paths import paths_of
from tests.browser.conftest import OpenScreen
from tests.browser.screens import NARROW, WIDE
from tests.services.api.site import Site, StackSite

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"theme": "light", "width": WIDE},
    "dark": {"theme": "dark", "width": WIDE},
    "narrow": {"theme": "light", "width": NARROW},
}
MAX_HEAD_HEIGHT = 100
"""Pixels of the frame's head on a narrow screen."""
ONE_LINE_HEIGHT = 56
SPANS = re.compile(r"[\d.,]+( (s|seconds?|minutes?))?")
"""Numbers that change between two looks at a page: how long something has waited."""


@pytest.fixture
def site(example_site: StackSite) -> StackSite:
    """Return the site of the examples: its people open the pages."""
    return example_site


@pytest.mark.parametrize("look", LOOKS)
async def test_every_page_is_free_of_barriers_and_errors(
    look: str, examples: dict[str, str], screen_of: OpenScreen
) -> None:
    found = []
    async with screen_of(**LOOKS[look]) as screen:
        for name, path in paths_of(examples).items():
            status = await screen.open(path)
            problems = [] if status == 200 else [f"status {status}"]
            problems += await screen.find_barriers()
            if (overflow := await screen.overflow()) > 0:
                problems.append(f"{overflow} px wider than the window")
            problems += screen.findings
            screen.findings.clear()
            found += [f"{name}: {problem}" for problem in problems]
            await screen.save(f"{name}-{look}")
    assert found == [], "\n".join(found)


async def test_every_page_is_readable_without_scripts(
    examples: dict[str, str], screen_of: OpenScreen
) -> None:
    async with screen_of() as with_scripts, screen_of(scripts=False) as without:
        for name, path in paths_of(examples).items():
            for screen in (with_scripts, without):
                assert await screen.open(path) == 200, name
            answers = [SPANS.sub("…", await screen.answer()) for screen in (with_scripts, without)]
            assert answers[0] == answers[1], name


async def test_keys_open_search_help_and_pages(
    site: Site, examples: dict[str, str], screen_of: OpenScreen
) -> None:
    async with screen_of(site.manager) as screen:
        page = screen.page
        await screen.open(f"/console/properties/{site.property_id}/today")
        await page.keyboard.press("?")
        assert await page.locator("dialog#keys").is_visible()
        await page.keyboard.press("Escape")
        assert not await page.locator("dialog#keys").is_visible()
        await page.keyboard.press("g")
        await page.keyboard.press("l")
        await page.wait_for_url("**/leads")
        await page.keyboard.press("/")
        assert await page.locator("#search:focus").count() == 1


async def test_keys_move_between_rows(
    site: Site, examples: dict[str, str], screen_of: OpenScreen
) -> None:
    async with screen_of(site.manager) as screen:
        page = screen.page
        await screen.open(f"/console/properties/{site.property_id}/leads")
        rows = page.locator("[data-row]")
        assert await rows.count() >= 2
        for key, chosen in (("j", 0), ("j", 1), ("k", 0)):
            await page.keyboard.press(key)
            assert await rows.nth(chosen).locator(":focus").count() == 1
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/console/leads/*")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
async def test_the_head_is_low_on_a_narrow_screen_and_its_menu_opens_by_keys(
    scripts: bool, site: Site, examples: dict[str, str], screen_of: OpenScreen
) -> None:
    async with screen_of(site.manager, width=NARROW, scripts=scripts) as screen:
        page = screen.page
        await screen.open(f"/console/properties/{site.property_id}/today")
        assert (await page.locator("header.frame").bounding_box())["height"] <= MAX_HEAD_HEIGHT
        link = page.locator("header .narrow a", has_text="Inbox")
        assert not await link.is_visible()
        await page.locator("header .narrow summary").focus()
        await page.keyboard.press("Enter")
        assert await link.is_visible()
        assert await screen.overflow() == 0
        await link.focus()
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/inbox")


async def test_the_head_is_one_line_for_a_person_with_all_pages(
    site: Site, examples: dict[str, str], screen_of: OpenScreen
) -> None:
    await site.world.pool.execute(
        "UPDATE properties SET name = 'The Residences at Lake View' WHERE id = $1", site.property_id
    )
    async with screen_of(width=WIDE) as screen:
        await screen.open(f"/console/properties/{site.property_id}/today")
        await screen.save("head-one-line")
        box = await screen.page.locator("header.frame").bounding_box()
        assert box["height"] <= ONE_LINE_HEIGHT
