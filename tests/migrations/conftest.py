"""Fixtures of the migration tests."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from tests.conftest import with_database


@pytest.fixture
async def empty_url(server_url: str) -> AsyncIterator[str]:
    """Create a database without any schema and drop it at the end."""
    name = f"crm_empty_{uuid4().hex[:12]}"
    conn = await asyncpg.connect(server_url)
    await conn.execute(f"CREATE DATABASE {name}")
    yield with_database(server_url, name)
    await conn.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await conn.close()
