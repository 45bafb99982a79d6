"""Fixtures of the console's tests: browsers without a screen that keep cookies, for each role."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from tests.services.api.console.visits import Visit, open_visit
from tests.services.api.site import Site


@pytest.fixture
async def manager(site_in_process: Site) -> AsyncIterator[Visit]:
    """Return a signed-in manager of the site's organisation."""
    async with open_visit(site_in_process, site_in_process.manager) as visit:
        yield visit


@pytest.fixture
async def viewer(site_in_process: Site) -> AsyncIterator[Visit]:
    async with open_visit(site_in_process, site_in_process.viewer) as visit:
        yield visit


@pytest.fixture
async def operator(site_in_process: Site) -> AsyncIterator[Visit]:
    """Return a signed-in operator who belongs to no organisation."""
    async with open_visit(site_in_process, None) as visit:
        yield visit


@pytest.fixture
async def stranger(site_in_process: Site) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a browser in which nobody is signed in."""
    async with httpx2.AsyncClient(
        transport=site_in_process.client._transport, base_url="http://test"
    ) as client:
        yield client
