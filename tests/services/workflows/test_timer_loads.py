"""Many runs at once: each step is done once and in order, each run finishes in its version."""

import asyncpg

from tests.services.workflows.timer_loads import (
    check_edits_while_leads_wait,
    check_timers_due_at_once,
)


async def test_two_workers_do_timers_of_one_second_once_and_in_order(pool: asyncpg.Pool) -> None:
    await check_timers_due_at_once(pool, 1_500)


async def test_runs_finish_in_their_version_while_definitions_change(pool: asyncpg.Pool) -> None:
    await check_edits_while_leads_wait(pool, 500)
