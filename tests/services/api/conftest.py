"""Fixtures of the API's tests: an API in the test's event loop, or behind a socket with a stack."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.runtime.settings import Settings
from tests.services.api.site import SHORT_TIMES, Site, open_site, open_stack_site


@pytest.fixture
async def site_in_process(settings: Settings, pool: asyncpg.Pool) -> AsyncIterator[Site]:
    """Run an API without a socket; `project` brings the tables level."""
    async with open_site(settings, pool) as site:
        yield site


@pytest.fixture
async def running_site(kafka_settings: Settings, pool: asyncpg.Pool) -> AsyncIterator[Site]:
    """Run an API on a socket, a relay and a projector; `project` waits for the last two."""
    settings = kafka_settings.model_copy(update=SHORT_TIMES)
    async with open_stack_site(settings, pool) as site:
        yield site


@pytest.fixture
def site(site_in_process: Site) -> Site:
    return site_in_process


@pytest.fixture(params=["in process", pytest.param("running", marks=pytest.mark.stack)])
def site_anywhere(request: pytest.FixtureRequest) -> Site:
    """Return a site in the process, then one with a running stack."""
    name = "site_in_process" if request.param == "in process" else "running_site"
    site: Site = request.getfixturevalue(name)
    return site
