"""A thousand kills of senders and of their database sessions."""

from pathlib import Path

import asyncpg
import pytest

from services.runtime.settings import Settings
from tests.races.sender_kills import kill_under_sending

pytestmark = [pytest.mark.soak, pytest.mark.stack]


async def test_a_thousand_kills_send_no_message_twice_and_lose_none(
    settings: Settings, pool: asyncpg.Pool, owner_pool: asyncpg.Pool, tmp_path: Path
) -> None:
    account = await kill_under_sending(settings, pool, owner_pool, tmp_path, kills=1_000)
    print(account)  # noqa: T201 — the figures of docs/reliability.md
