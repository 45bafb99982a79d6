"""Adoption of a large host: ten thousand rows per table, written meanwhile."""

from pathlib import Path

import asyncpg
import pytest

from services.runtime.database import pooled
from tests.conftest import make_settings
from tests.host import HostPlatform, database, make_tables
from tests.services.adoption import rows
from tests.services.adoption.conftest import HostDatabase

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1_800)]
ROWS_PER_TABLE = 10_000


async def test_ten_thousand_rows_of_each_table_are_adopted_while_the_host_writes(
    server_url: str, tmp_path: Path
) -> None:
    async with database(server_url) as url:
        conn, host = await asyncpg.connect(url), HostPlatform()
        await make_tables(conn)
        await host.insert_rows(conn, ROWS_PER_TABLE)
        async with pooled(make_settings(url, "127.0.0.1:9", tmp_path), "test", role=None) as pool:
            await rows.write_during_adoption(
                HostDatabase(host, url, conn, pool), seed=7, turns=2_000
            )
        await conn.close()
