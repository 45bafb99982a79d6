"""Hundreds of kills of real processes under load."""

from pathlib import Path

import asyncpg
import pytest

from services.runtime.settings import Settings
from tests.races.killing import survive

pytestmark = [pytest.mark.soak, pytest.mark.stack]


async def test_hundreds_of_kills_lose_nothing_and_do_nothing_twice(
    kafka_settings: Settings, pool: asyncpg.Pool, tmp_path: Path
) -> None:
    await survive(kafka_settings, pool, tmp_path, kills=400)
