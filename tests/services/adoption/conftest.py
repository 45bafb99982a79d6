"""Databases of a host: before the installation of the core, installed, and adopted."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from services.runtime.database import pooled
from tests.conftest import make_settings
from tests.host import HostPlatform, adopt_all, database, install_core, make_tables
from tests.world import World

ROWS = 120
"""The number of rows in each table."""


@dataclass(frozen=True)
class HostDatabase:
    """A database of the host; `conn` is the connection of the host's other code."""

    host: HostPlatform
    url: str
    conn: asyncpg.Connection
    pool: asyncpg.Pool

    @property
    def world(self) -> World:
        return self.host.world(self.pool)


@dataclass(frozen=True)
class HostTemplates:
    """A host and the databases to copy: before installation, installed, adopted."""

    host: HostPlatform
    before: str
    installed: str
    adopted: str


@pytest.fixture(scope="session")
async def host_templates(server_url: str, run_directory: Path) -> AsyncIterator[HostTemplates]:
    host = HostPlatform()
    async with database(server_url) as before:
        conn = await asyncpg.connect(before)
        await make_tables(conn)
        await host.insert_rows(conn, ROWS)
        await conn.close()
        async with database(server_url, before) as installed:
            await install_core(installed)
            async with database(server_url, installed) as adopted:
                settings = make_settings(adopted, "127.0.0.1:9", run_directory)
                async with pooled(settings, "test", role=None) as pool:
                    await adopt_all(host, pool)
                yield HostTemplates(host, before, installed, adopted)


@asynccontextmanager
async def copy_database(
    server_url: str, host: HostPlatform, template: str, home: Path
) -> AsyncIterator[HostDatabase]:
    async with database(server_url, template) as url:
        conn = await asyncpg.connect(url)
        settings = make_settings(url, "127.0.0.1:9", home)
        async with pooled(settings, "test", role=None) as pool:
            yield HostDatabase(deepcopy(host), url, conn, pool)
        await conn.close()


@pytest.fixture
async def before(
    server_url: str, host_templates: HostTemplates, tmp_path: Path
) -> AsyncIterator[HostDatabase]:
    """Yield a database without the core."""
    async with copy_database(
        server_url, host_templates.host, host_templates.before, tmp_path
    ) as copy:
        yield copy


@pytest.fixture
async def installed(
    server_url: str, host_templates: HostTemplates, tmp_path: Path
) -> AsyncIterator[HostDatabase]:
    """Yield a database with the core, in which no row is adopted."""
    async with copy_database(
        server_url, host_templates.host, host_templates.installed, tmp_path
    ) as copy:
        yield copy


@pytest.fixture
async def adopted(
    server_url: str, host_templates: HostTemplates, tmp_path: Path
) -> AsyncIterator[HostDatabase]:
    """Yield a database in which every row is adopted and the tables are up to date."""
    async with copy_database(
        server_url, host_templates.host, host_templates.adopted, tmp_path
    ) as copy:
        yield copy
