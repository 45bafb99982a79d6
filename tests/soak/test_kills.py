"""Hundreds of kills of real processes under load."""

from pathlib import Path

import asyncpg
import pytest

from services.runtime.settings import Settings
from tests.races.killing import kill_under_load

pytestmark = [pytest.mark.soak, pytest.mark.stack]


async def test_hundreds_of_kills_lose_no_event_and_apply_none_twice(
    kafka_settings: Settings, pool: asyncpg.Pool, owner_pool: asyncpg.Pool, tmp_path: Path
) -> None:
    await kill_under_load(kafka_settings, pool, owner_pool, tmp_path, kills=400)
