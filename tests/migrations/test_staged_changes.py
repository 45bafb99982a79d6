"""The migration that stages the host's changes, and its downgrade."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest
from alembic import command

from services.runtime.migrations import alembic_config, find_revision, migrate
from tests.world import World

BEFORE = "0046"


async def test_staged_changes_are_in_the_log_after_a_downgrade(
    database_url: str, owner_pool: asyncpg.Pool
) -> None:
    org, property_id = uuid4(), uuid4()
    async with owner_pool.acquire() as host:
        await host.execute("INSERT INTO organizations (id, name) VALUES ($1, 'Acme')", org)
        await host.execute(
            "INSERT INTO properties (id, org_id, name) VALUES ($1, $2, 'Elm')", property_id, org
        )
        await host.execute("UPDATE properties SET name = 'Oak'")
    await asyncio.to_thread(command.downgrade, alembic_config(database_url), BEFORE)
    conn = await asyncpg.connect(database_url)
    await conn.execute("UPDATE properties SET name = 'Ash'")
    rows = await conn.fetch(
        "SELECT version, payload ->> 'display_name' AS name FROM crm_events "
        "WHERE entity_id = $1 ORDER BY seq",
        property_id,
    )
    assert [tuple(row) for row in rows] == [(1, "Elm"), (2, "Oak"), (3, "Ash")]
    await asyncio.to_thread(migrate, database_url)
    assert await conn.fetchval("SELECT version_num FROM alembic_version") == find_revision("head")
    await conn.execute("UPDATE properties SET name = 'Yew'")
    await conn.close()
    await owner_pool.expire_connections()
    await World(owner_pool, org, [property_id]).append_staged()
    count = "SELECT count(*) FROM crm_events WHERE entity_id = $1"
    assert await owner_pool.fetchval(count, property_id) == 4


async def test_reference_data_that_was_recorded_while_installing_is_staged(empty_url: str) -> None:
    """Earlier revisions wrote the names of the host's profiles to the log, in clear text."""
    await asyncio.to_thread(command.upgrade, alembic_config(empty_url), BEFORE)
    conn = await asyncpg.connect(empty_url)
    org, profile = uuid4(), uuid4()
    await conn.execute("INSERT INTO organizations (id, name) VALUES ($1, 'Acme')", org)
    for name in ("Ada", "Grace"):
        await conn.execute(
            "INSERT INTO profiles (id, org_id, full_name) VALUES ($1, $2, $3) "
            "ON CONFLICT (id) DO UPDATE SET full_name = excluded.full_name",
            profile, org, name,
        )  # fmt: skip
    await asyncio.to_thread(migrate, empty_url)
    rows = await conn.fetch(
        "SELECT payload::jsonb ->> 'full_name' AS name FROM crm.staged_changes ORDER BY seq"
    )
    assert [row["name"] for row in rows] == [None, "Ada", "Grace"]
    assert await conn.fetchval("SELECT count(*) FROM crm_events") == 0
    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
        await conn.execute("DELETE FROM crm_events")
    await conn.close()
