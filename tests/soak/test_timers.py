"""Looks and claims of timers while a transaction holds back the removal of 100,000 done ones."""

import asyncpg
import pytest

from tests.events.log.test_old_snapshots import check_work_with_a_held_snapshot


@pytest.mark.soak
@pytest.mark.timeout(0)
async def test_a_held_snapshot_of_100_000_timers_does_not_slow_looks_and_claims(
    pool: asyncpg.Pool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await check_work_with_a_held_snapshot(pool, database_url, monkeypatch, done=100_000)
