"""A key store in a database of its own: `crm db migrate` creates it, and processes use it."""

import asyncio
import sys

import asyncpg
from pydantic import SecretStr

from events.keys.ring import current_ring
from services.runtime.database import pooled
from services.runtime.environment import to_environment
from services.runtime.settings import Settings
from tests.conftest import as_login
from tests.world import make_world


async def migrate(settings: Settings) -> None:
    # As a process of its own: it leaves the pool of the key store open until it ends.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", "db", "migrate", env=to_environment(settings)
    )
    assert await process.wait() == 0


async def test_a_key_store_of_its_own_is_created_and_used(
    settings: Settings, database_url: str, empty_url: str
) -> None:
    addresses = {
        "database_url": SecretStr(database_url), "database_direct_url": SecretStr(database_url),
        "keys_url": SecretStr(empty_url),
    }  # fmt: skip
    keys = await asyncpg.connect(empty_url)
    created = []
    for _ in range(2):
        await migrate(settings.model_copy(update={**addresses, "database_pooler": "none"}))
        created.append(await keys.fetch("TABLE crm_keys.secret_keys"))
    assert created[0] == created[1] != []
    own_store = settings.model_copy(update={"keys_url": SecretStr(as_login(empty_url))})
    async with pooled(own_store, "test") as pool:
        world = await make_world(pool)
        await world.append(world.new(world.captured()))
        assert await world.count("crm_keys.data_keys") == 0
        store = await current_ring().store_of(pool)
        assert isinstance(store, asyncpg.Pool)
        await store.close()
    assert await keys.fetchval("SELECT count(*) FROM crm_keys.data_keys") == 1
    await keys.close()
