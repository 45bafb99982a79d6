"""`crm retention` with a real database."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from services.cli.main import run
from services.runtime.settings import Settings
from tests.conftest import use_database
from tests.world import make_world


async def test_retention_counts_the_expired_rows_and_then_removes_them(
    pool: asyncpg.Pool,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    use_database(monkeypatch, settings)
    world = await make_world(pool)
    long_ago = datetime.now(UTC) - timedelta(days=100)
    await world.append(*(world.new(event, at=long_ago) for event in world.chat(None)))
    await world.project()
    counts = {
        "consents": 0,
        "dead_letters": 0,
        "intake_outcomes": 0,
        "payload_reads": 0,
        "engagement": 0,
        "operator_requests": 0,
    }
    for arguments, column in (
        (("--dry-run",), "would_go"),
        (("--org", str(world.org_id)), "gone"),
    ):
        command = ("retention", "run", "--json", *arguments)
        assert await asyncio.to_thread(run, command) == 0
        rows = json.loads(capsys.readouterr().out)
        assert {row["kind"]: row[column] for row in rows} == counts | {"sessions": 1}
    await world.project()
    assert await world.count("widget_sessions") == 0
