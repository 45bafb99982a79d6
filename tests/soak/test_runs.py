"""Fifty thousand timers of one second, and ten thousand leads while their workflows change."""

import asyncpg
import pytest

from tests.services.workflows.timer_loads import (
    check_edits_while_leads_wait,
    check_timers_due_at_once,
)

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3_600)]


async def test_two_workers_do_50_000_timers_of_one_second_once_and_in_order(
    pool: asyncpg.Pool,
) -> None:
    await check_timers_due_at_once(pool, 50_000)


async def test_10_000_runs_finish_in_their_version_while_definitions_change(
    pool: asyncpg.Pool,
) -> None:
    await check_edits_while_leads_wait(pool, 10_000)
