"""The account of runs after kills: each once, ended or waiting, and shown by the tables."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

import asyncpg

from events.timers import TimerKind
from services.application.stuck_runs import list_stuck_runs
from tests.races.message_account import Message
from tests.races.processes import assert_live_equals_rebuilt
from tests.races.workflow_load import GREETING, WorkflowLoad

ENDS = ("run.completed", "run.converted", "run.stopped")
WAITING = "waiting for a tour"
TABLES = ("lead_workflows", "workflow_actions", "lead_consents", "deliveries")
"""Tables that the runs and messages fill, so that a comparison with rebuilt ones says something."""


async def check_runs(pool: asyncpg.Pool, load: WorkflowLoad) -> Counter[str]:
    """Check that each lead has each run once, and that each run ended or waits for a reason."""
    captured = await pool.fetch(
        "SELECT entity_id FROM crm_events WHERE event_type = 'lead.captured'"
    )
    assert {row["entity_id"] for row in captured} == set(load.leads)
    rows = await pool.fetch(
        "SELECT entity_id, array_agg(event_type ORDER BY version) AS types, "
        "array_agg(payload ORDER BY version) AS payloads FROM crm_events "
        "WHERE entity_type = 'run' GROUP BY entity_id"
    )
    expected = {
        (lead_id, definition_id)
        for lead_id, property_id in load.leads.items()
        for definition_id in load.definitions[property_id]
    }
    found = Counter(
        (UUID(row["payloads"][0]["lead_id"]), UUID(row["payloads"][0]["definition_id"]))
        for row in rows
    )
    assert set(found) <= expected
    assert found.total() == len(found), found.most_common(3)
    # A lead that was lost before the policy acted starts no run.
    missing = {lead_id for lead_id, _ in expected - set(found)}
    assert missing <= load.lost, missing - load.lost
    ends: Counter[str] = Counter()
    for row in rows:
        steps = [
            payload["step_id"] for name, payload in zip(row["types"], row["payloads"], strict=True)
            if name == "run.step_reached"
        ]  # fmt: skip
        last, payload = row["types"][-1], row["payloads"][-1]
        if last in ENDS:
            ends[last] += 1
        else:
            assert payload.get("waits_for") == "tour_booked", (row["types"], payload)
            ends[WAITING] += 1
        if last == "run.completed":
            assert steps == [step.id for step in GREETING], steps
        assert len(steps) == len(set(steps)), steps
    async with pool.acquire() as conn:
        stuck = await list_stuck_runs(cast("asyncpg.Connection", conn), datetime.now(UTC))
    assert stuck == []
    waiting = await pool.fetchval(
        "SELECT count(*) FROM crm.timers WHERE kind = $1", TimerKind.RUN.value
    )
    assert waiting == ends[WAITING]
    assert await pool.fetchval("SELECT count(*) FROM crm.policy_failures") == 0
    return ends


async def check_tables(pool: asyncpg.Pool, messages: Sequence[Message]) -> None:
    """Check that the tables have rows, the state of each message, and what a rebuild makes."""
    for table in TABLES:
        assert await pool.fetchval(f"SELECT count(*) FROM {table}"), table
    rows = await pool.fetch("SELECT id, status FROM deliveries")
    states = {row["id"]: row["status"] for row in rows}
    assert states == {message.delivery_id: message.state for message in messages}
    await assert_live_equals_rebuilt(pool)
