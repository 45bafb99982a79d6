"""A message is handed over at most once, whenever its sender is killed."""

import signal
from pathlib import Path

import asyncpg
import pytest

from services.runtime.settings import Settings
from tests.conftest import until
from tests.races.lying_server import use_lying_server
from tests.races.sender_kills import (
    MessagePlanner,
    Senders,
    has_no_timers,
    kill_under_sending,
    run_senders,
)
from tests.services.adapters.provider_servers import http_server
from tests.world import make_world

pytestmark = [pytest.mark.kill, pytest.mark.stack]

DEATH = """
import os, signal
from services.sender import delivery_worker

def die():
    os.kill(os.getpid(), signal.SIGKILL)

original = delivery_worker.{name}

async def killed(*arguments):
    if {is_before}:
        die()
    result = await original(*arguments)
    die()

delivery_worker.{name} = killed
"""
HANDED_OVER = ["planned", "claimed", "handed_over"]
RECONCILED = ["planned", "claimed", "unknown", "reconciled"]
BOUNDARIES: dict[str, tuple[str, bool, list[str], int]] = {
    "before the claim": ("claim_message", True, HANDED_OVER, 1),
    "before the commit of the claim": ("claim_message", False, HANDED_OVER, 1),
    "between claim and request": ("make_request", True, ["planned", "claimed", "unknown"], 0),
    "between answer and result": ("make_request", False, RECONCILED, 1),
    "before the commit of the result": ("record_result", False, RECONCILED, 1),
}


@pytest.mark.parametrize(
    ("name", "is_before", "steps", "requests"), BOUNDARIES.values(), ids=BOUNDARIES
)
async def test_a_sender_that_is_killed_at_a_boundary_sends_at_most_once(
    settings: Settings, pool: asyncpg.Pool, tmp_path: Path, name: str, is_before: bool,
    steps: list[str], requests: int,
) -> None:  # fmt: skip
    planner = MessagePlanner(await make_world(pool))
    await planner.add_leads(1)
    message = await planner.plan()
    async with http_server() as server:
        settings = use_lying_server(settings, server)
        killed = Senders(settings, tmp_path)
        _, process = await killed.start(DEATH.format(name=name, is_before=is_before))
        assert await process.wait(60) == -signal.SIGKILL
        async with run_senders(settings, tmp_path, 1):
            await until(lambda: has_no_timers(pool))
        assert server.posted == requests
    rows = await pool.fetch(
        "SELECT event_type FROM crm_events WHERE entity_id = $1 ORDER BY version", message
    )
    assert [row["event_type"].removeprefix("delivery.") for row in rows] == steps


async def test_killed_senders_send_no_message_twice_and_lose_none(
    settings: Settings, pool: asyncpg.Pool, owner_pool: asyncpg.Pool, tmp_path: Path
) -> None:
    account = await kill_under_sending(settings, pool, owner_pool, tmp_path, kills=30)
    print(account)  # noqa: T201 — the figures of docs/reliability.md
