"""`crm workflow` for definitions and runs: start, pause, move, restart, simulate, stuck, repair."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.deciders.templates import RetireTemplate
from tests.services.application.workflow_harness import (
    HOUR,
    WorkflowHarness,
    make_harness,
    sms,
    wait,
)
from tests.services.cli.test_credentials import crm


@pytest.fixture
async def harness(
    database_url: str, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> WorkflowHarness:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("CRM_HOME", str(tmp_path))
    harness = await make_harness(pool)
    await harness.create_template("hello")
    return harness


async def rows_of(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[dict[str, Any]]:
    code, out = await crm(capsys, "workflow", *map(str, arguments), "--json")
    assert code == 0, out
    rows: list[dict[str, Any]] = json.loads(out)
    return rows


async def test_a_run_is_started_paused_resumed_restarted_and_stopped(
    harness: WorkflowHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    lead = await harness.create_lead()
    flow = await harness.create_workflow(sms("hi"), wait("rest"))
    [run] = await rows_of(capsys, "start", flow, "--lead", lead)
    assert (run["status"], run["current_step"], run["trigger"]) == ("active", 0, "manual")
    assert (await crm(capsys, "workflow", "start", str(flow), "--lead", str(lead)))[0] == 1
    for command, status in ((("pause",), "paused"), (("resume",), "active")):
        assert [row["status"] for row in await rows_of(capsys, *command, run["id"])] == [status]
    [restarted] = await rows_of(capsys, "restart", run["id"], "--step", 1)
    assert restarted["current_step"] == 1
    [stopped] = await rows_of(capsys, "stop", run["id"], "--reason", "enough")
    assert (stopped["status"], stopped["stop_reason"]) == ("stopped", "enough")
    assert (await crm(capsys, "workflow", "pause", str(uuid4())))[0] == 1


async def test_runs_are_moved_with_the_counts_of_the_preview(
    harness: WorkflowHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    flow = await harness.create_workflow(wait("a"), wait("b"))
    runs = [await harness.enrol(flow, await harness.create_lead()) for _ in range(3)]
    await harness.redefine(flow, wait("b"), wait("c"))
    move = ("move", flow, "--step", "a=c", "--reason", "new plan")
    preview = await rows_of(capsys, *move, "--dry-run")
    assert preview == [{"from_version": 1, "from_step": "a", "to_step": "c", "runs": 3}]
    assert (await harness.load_run(runs[0])).definition_version == 1
    assert await rows_of(capsys, *move) == preview
    assert {(await harness.load_run(run)).step_number for run in runs} == {1}
    assert await rows_of(capsys, *move) == []
    assert (await crm(capsys, "workflow", "move", str(flow), "--step", "a"))[0] == 1


async def test_a_stuck_run_is_listed_and_repaired(
    harness: WorkflowHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    flow = await harness.create_workflow(sms("hi"))
    run = await harness.enrol(flow, await harness.create_lead())
    await harness.execute(RetireTemplate(harness.templates["hello"]))
    await harness.move(HOUR)
    listed = await rows_of(capsys, "stuck", "--property", harness.property_id)
    assert [(UUID(row["run_id"]), row["code"]) for row in listed] == [(run, "blocked")]
    assert "crm workflow repair" in listed[0]["hint"]
    await rows_of(capsys, "repair", run)
    assert [(attempts, error) for _, _, attempts, error in await harness.timers()] == [(0, None)]
    assert await rows_of(capsys, "stuck", "--property", uuid4()) == []


async def test_a_failure_of_a_policy_is_listed_among_the_stuck_runs(
    harness: WorkflowHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    await harness.world.pool.execute(
        "INSERT INTO crm.policy_failures (policy, event_id, org_id, property_id, reason, detail, "
        "first_failed_at, failed_at) "
        "VALUES ('enrol', $1, $2, $3, 'bug', '\\x00'::bytea || 'KeyError', now(), now())",
        uuid4(),
        harness.world.org_id,
        harness.property_id,
    )
    [row] = await rows_of(capsys, "stuck", "--property", harness.property_id)
    assert (row["code"], row["reason"]) == ("policy_enrol", "bug: KeyError")
    assert "crm policy failures" in row["hint"]
    assert await rows_of(capsys, "stuck", "--property", uuid4()) == []


async def test_a_simulation_prints_each_step_and_changes_nothing(
    harness: WorkflowHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    lead = await harness.create_lead()
    flow = await harness.create_workflow(sms("hi", 2), wait("rest"), is_active=False)
    at = "2027-03-01T18:30:00"
    steps = await rows_of(capsys, "simulate", flow, "--lead", lead, "--at", at)
    assert [(step["step_id"], step["outcome"], step["at"]) for step in steps] == [
        ("hi", "planned", "2027-03-01T20:30:00+00:00"),
        ("rest", "waited", "2027-03-01T21:30:00+00:00"),
    ]
    assert await harness.world.count("crm_events WHERE event_type = 'run.enrolled'") == 0
    assert (await crm(capsys, "workflow", "simulate", str(uuid4()), "--lead", str(lead)))[0] == 1


async def test_workflows_are_listed_with_their_runs_and_a_run_is_shown(
    harness: WorkflowHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    flow = await harness.create_workflow(wait("rest"))
    run = await harness.enrol(flow, await harness.create_lead())
    await harness.world.project()
    [row] = await rows_of(capsys, "list", harness.property_id)
    assert (row["id"], row["is_active"], row["live_runs"]) == (str(flow), True, 1)
    await harness.move(HOUR)
    shown = await rows_of(capsys, "show", run)
    assert [event["event"] for event in shown] == [
        "run.enrolled", "run.step_reached", "run.completed"
    ]  # fmt: skip
    assert shown[1]["details"]["step_id"] == "rest"
    assert (await crm(capsys, "workflow", "show", str(uuid4())))[0] == 1
