"""A large host: ten thousand leads, conversations and messages, written meanwhile."""

from pathlib import Path

import asyncpg
import pytest

from services.runtime.database import pooled
from tests.conftest import make_settings
from tests.host import Host, database, make_tables
from tests.services.adoption import rows
from tests.services.adoption.conftest import Hosted

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1_800)]
ROWS = 10_000


async def test_ten_thousand_rows_of_each_table_are_adopted_while_they_are_written(
    server_url: str, tmp_path: Path
) -> None:
    async with database(server_url) as url:
        conn, host = await asyncpg.connect(url), Host()
        await make_tables(conn)
        await host.begin(conn, ROWS)
        async with pooled(make_settings(url, "127.0.0.1:9", tmp_path), "test", role=None) as pool:
            await rows.hold(Hosted(host, url, conn, pool), seed=7, turns=2_000)
        await conn.close()
