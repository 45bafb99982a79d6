"""Hosts at three moments: before the core is installed, then not adopted, then adopted."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from services.runtime.database import pooled
from tests.conftest import make_settings
from tests.host import Host, adopt_all, database, install_core, make_tables
from tests.world import World

ROWS = 120
"""Of each table."""


@dataclass(frozen=True)
class Hosted:
    """A host's database; `conn` is its other code's own connection."""

    host: Host
    url: str
    conn: asyncpg.Connection
    pool: asyncpg.Pool

    @property
    def world(self) -> World:
        return self.host.world(self.pool)


@dataclass(frozen=True)
class Templates:
    """One host, and the databases to copy: before, installed, adopted."""

    host: Host
    before: str
    installed: str
    adopted: str


@pytest.fixture(scope="session")
async def host_templates(server_url: str, run_directory: Path) -> AsyncIterator[Templates]:
    host = Host()
    async with database(server_url) as before:
        conn = await asyncpg.connect(before)
        await make_tables(conn)
        await host.begin(conn, ROWS)
        await conn.close()
        async with database(server_url, before) as installed:
            await install_core(installed)
            async with database(server_url, installed) as adopted:
                settings = make_settings(adopted, "127.0.0.1:9", run_directory)
                async with pooled(settings, "test", role=None) as pool:
                    await adopt_all(host, pool)
                yield Templates(host, before, installed, adopted)


@asynccontextmanager
async def copied(server_url: str, host: Host, template: str, home: Path) -> AsyncIterator[Hosted]:
    async with database(server_url, template) as url:
        conn = await asyncpg.connect(url)
        settings = make_settings(url, "127.0.0.1:9", home)
        async with pooled(settings, "test", role=None) as pool:
            yield Hosted(deepcopy(host), url, conn, pool)
        await conn.close()


@pytest.fixture
async def before(
    server_url: str, host_templates: Templates, tmp_path: Path
) -> AsyncIterator[Hosted]:
    """Nothing of the core is there yet."""
    found = host_templates
    async with copied(server_url, found.host, found.before, tmp_path) as hosted:
        yield hosted


@pytest.fixture
async def installed(
    server_url: str, host_templates: Templates, tmp_path: Path
) -> AsyncIterator[Hosted]:
    """The core is there, and no row is a fact."""
    found = host_templates
    async with copied(server_url, found.host, found.installed, tmp_path) as hosted:
        yield hosted


@pytest.fixture
async def adopted(
    server_url: str, host_templates: Templates, tmp_path: Path
) -> AsyncIterator[Hosted]:
    """Every row is a fact, and the tables are level."""
    found = host_templates
    async with copied(server_url, found.host, found.adopted, tmp_path) as hosted:
        yield hosted
