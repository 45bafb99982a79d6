"""`crm outcome` with a real database."""

import asyncio
import json
from typing import Any

import asyncpg
import pytest

from services.cli.main import run
from services.intake.admission import Admission
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock
from services.runtime.settings import Settings
from tests.conftest import use_database
from tests.services.intake.producer_records import binary_record
from tests.world import make_world


async def test_outcomes_are_listed_by_source_id_and_status(
    pool: asyncpg.Pool, settings: Settings, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    use_database(monkeypatch, settings)
    world = await make_world(pool)
    await Admission(pool, IntakeSettings(), Clock()).admit(
        [
            binary_record("lead.noted", {"lead_id": "?"}, world.properties[0], ce_id=ce_id,
                          source=source)
            for source, ce_id in (("/site", "1"), ("/site", "2"), ("/other", "1"))
        ]
    )  # fmt: skip

    async def listed(*arguments: str) -> list[dict[str, Any]]:
        assert await asyncio.to_thread(run, ("outcome", "list", "--json", *arguments)) == 0
        rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
        return rows

    assert len(await listed()) == 3
    (row,) = await listed("--source", "/site", "--id", "1")
    assert (row["source"], row["id"], row["reason"]) == ("/site", "1", "invalid")
    assert await listed("--status", "accepted") == []
    assert len(await listed("--property", str(world.properties[0]), "--limit", "2")) == 2
