"""Fixtures of the text cases."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.runtime.settings import Settings
from tests.services.api.site import Site, open_site


@pytest.fixture
async def site(settings: Settings, pool: asyncpg.Pool) -> AsyncIterator[Site]:
    """Run an API without a socket; `project` brings the tables level."""
    async with open_site(settings, pool) as site:
        yield site
