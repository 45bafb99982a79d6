"""Fixtures of the tests in a browser: Debian's Chromium, and a running site with examples."""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.runtime.settings import Settings
from tests.browser.catalog_paths import create_page_examples, create_parked_example
from tests.browser.screens import Screen, open_screen
from tests.services.api.site import Site, make_bearer_token, open_stack_site

CHROMIUM = shutil.which("chromium")
HERE = Path(__file__).parent
OPERATOR = {"app_metadata": {"crm_role": "operator"}}
OpenScreen = Callable[..., AbstractAsyncContextManager[Screen]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder, and skip them with a reason where something is missing."""
    needed = {
        "Playwright is not installed: run make test-browser": find_spec("playwright"),
        "Chromium is not installed: apt install chromium": CHROMIUM,
    }
    missing = [reason for reason, found in needed.items() if not found]
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.stack)
            if missing:
                item.add_marker(pytest.mark.skip(reason="; ".join(missing)))


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Any]:
    """Start Chromium without a screen."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield chromium
        await chromium.close()


@pytest.fixture
async def site(kafka_settings: Settings, pool: asyncpg.Pool) -> AsyncIterator[Site]:
    """Run an API on a socket, a relay and a projector."""
    async with open_stack_site(kafka_settings, pool) as running:
        yield running


@pytest.fixture
async def examples(site: Site) -> dict[str, str]:
    """Create one entity of each kind; return example ids with the ids of the entities."""
    ids = await create_page_examples(site)
    return {**ids, **await create_parked_example(site)}


@pytest.fixture
def screen_of(browser: Any, site: Site) -> OpenScreen:
    """Return a function that opens a window for a person; for an admin and operator by default."""

    def open_for(person: UUID | None = None, **looks: Any) -> AbstractAsyncContextManager[Screen]:
        claims = OPERATOR if person is None else {}
        token = make_bearer_token(person or site.admin, claims=claims)
        return open_screen(browser, str(site.client.base_url).rstrip("/"), token, **looks)

    return open_for
