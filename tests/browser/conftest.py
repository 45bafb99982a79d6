"""Fixtures of the tests in a browser: Debian's Chromium, and one running stack for all tests."""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from services.runtime.database import pooled
from tests.browser.catalog_paths import (
    create_page_examples,
    create_parked_example,
    remove_parked_example,
)
from tests.browser.running_stack import RunningStack, open_stack
from tests.browser.screens import Screen, open_screen
from tests.conftest import as_login, create_database, make_settings
from tests.services.api.site import Site, StackSite, make_bearer_token

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


@pytest.fixture(scope="session")
async def stack(
    server_url: str, template_database: str, bootstrap_servers: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[RunningStack]:  # fmt: skip
    """Run all processes on a database of their own, for all tests of this folder."""
    async with create_database(server_url, template_database) as url:
        home = tmp_path_factory.mktemp("stack")
        settings = make_settings(as_login(url), bootstrap_servers, home)
        owner_settings = settings.model_copy(update={"database_url": SecretStr(url)})
        async with (
            pooled(settings, "test") as pool,
            open_stack(settings, owner_settings, pool) as running,
        ):
            yield running


@pytest.fixture
async def site(stack: RunningStack) -> StackSite:
    """Create an organisation on the running stack."""
    return await stack.create_site()


@pytest.fixture(scope="session")
async def example_site(stack: RunningStack) -> StackSite:
    """Create the organisation of the examples."""
    return await stack.create_site()


@pytest.fixture(scope="session")
async def example_ids(example_site: StackSite) -> dict[str, str]:
    """Create one entity of each kind, once: some ids of the examples are chosen by clients."""
    return await create_page_examples(example_site)


@pytest.fixture
async def examples(
    example_site: StackSite, example_ids: dict[str, str]
) -> AsyncIterator[dict[str, str]]:
    """Return example ids with the ids of the entities; an event is parked during the test."""
    parked = await create_parked_example(example_site)
    yield {**example_ids, **parked}
    await remove_parked_example(example_site, parked)


@pytest.fixture
def screen_of(browser: Any, site: Site) -> OpenScreen:
    """Return a function that opens a window for a person; for an admin and operator by default."""

    def open_for(person: UUID | None = None, **looks: Any) -> AbstractAsyncContextManager[Screen]:
        claims = OPERATOR if person is None else {}
        token = make_bearer_token(person or site.admin, claims=claims)
        return open_screen(browser, str(site.client.base_url).rstrip("/"), token, **looks)

    return open_for
