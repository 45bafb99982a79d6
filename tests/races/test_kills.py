"""Relays and projectors that are killed under load; hundreds of kills are in `tests/soak`."""

from pathlib import Path

import asyncpg
import pytest

from services.runtime.settings import Settings
from tests.races.killing import survive

pytestmark = pytest.mark.stack


async def test_killed_processes_lose_nothing_and_do_nothing_twice(
    kafka_settings: Settings, pool: asyncpg.Pool, tmp_path: Path
) -> None:
    await survive(kafka_settings, pool, tmp_path, kills=6)
