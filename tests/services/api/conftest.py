"""Fixtures of the API's tests: an API in the test's event loop, or behind a socket with a stack."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.api.app import create_app
from services.api.server import ApiServer
from services.runtime.settings import Settings
from tests.conftest import until
from tests.races.processes import run_processes
from tests.services.api.site import (
    SHORT_TIMES,
    EchoResponder,
    Site,
    StackSite,
    create_site,
    open_client,
    open_site,
    url_of,
)
from tests.world import make_world


@pytest.fixture
async def site_in_process(settings: Settings, pool: asyncpg.Pool) -> AsyncIterator[Site]:
    """Run an API without a socket; `project` brings the tables level."""
    async with open_site(settings, pool) as site:
        yield site


@pytest.fixture
async def running_site(kafka_settings: Settings, pool: asyncpg.Pool) -> AsyncIterator[Site]:
    """Run an API on a socket, a relay and a projector; `project` waits for the last two."""
    responder = EchoResponder()
    settings = kafka_settings.model_copy(update={**SHORT_TIMES, "http_port": 0})
    server = ApiServer(settings, create_app(settings, responder))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    async with open_client(url_of(server)) as client:
        site = await create_site(client, await make_world(pool), responder, StackSite)
        async with run_processes(settings):
            yield site
    server.should_exit = True
    await serving


@pytest.fixture
def site(site_in_process: Site) -> Site:
    return site_in_process


@pytest.fixture(params=["in process", pytest.param("running", marks=pytest.mark.stack)])
def site_anywhere(request: pytest.FixtureRequest) -> Site:
    """Return a site in the process, then one with a running stack."""
    name = "site_in_process" if request.param == "in process" else "running_site"
    site: Site = request.getfixturevalue(name)
    return site
