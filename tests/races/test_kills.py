"""Relays and projectors that are killed under load. `tests/soak` kills hundreds."""

from pathlib import Path

import asyncpg
import pytest

from services.runtime.settings import Settings
from tests.races.killing import kill_under_load

pytestmark = [pytest.mark.kill, pytest.mark.stack]


async def test_killed_processes_lose_no_event_and_apply_none_twice(
    kafka_settings: Settings, pool: asyncpg.Pool, owner_pool: asyncpg.Pool, tmp_path: Path
) -> None:
    await kill_under_load(kafka_settings, pool, owner_pool, tmp_path, kills=6)
