"""`crm parked` with a real database."""

import asyncio
import json

import asyncpg
import pytest

from services.cli.main import run
from services.runtime.settings import Settings
from tests.conftest import use_database
from tests.world import make_world


async def test_a_limited_list_shows_the_total(
    pool: asyncpg.Pool,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    use_database(monkeypatch, settings)
    world = await make_world(pool)
    await world.append(*(world.new(world.captured(email=f"{n}@acme.io")) for n in range(3)))
    await world.number()
    await pool.execute(
        "INSERT INTO crm.parked "
        "(projection_group, event_id, shard, position, touches, reason, detail, behind) "
        "SELECT 'live', id, shard, position, '{}', 'poison', '', false FROM crm_events "
        "WHERE event_type = 'lead.captured'"
    )
    for limit, remark in (("2", "2 of 3"), ("3", "")):
        arguments = ("parked", "list", "--json", "--limit", limit)
        assert await asyncio.to_thread(run, arguments) == 0
        output = capsys.readouterr()
        assert len(json.loads(output.out)) == int(limit)
        assert output.err.startswith(remark) if remark else not output.err
