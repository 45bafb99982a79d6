"""The preparation of a database by the code of the tree that is measured."""

import asyncio

from benchmarks.workload import Organization, insert_host_rows
from services.runtime.database import connect
from services.runtime.migrations import migrate
from services.runtime.settings import Settings


async def prepared(settings: Settings, organization: Organization) -> dict[str, float]:
    """Migrate a new database and insert the rows of the host."""
    await asyncio.to_thread(migrate, settings.database_url.get_secret_value())
    conn = await connect(settings, "bench", role=None)
    await insert_host_rows(conn, organization)
    await conn.close()
    return {}
