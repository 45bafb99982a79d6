"""`crm policy`: an operator sees what policies could not do, repairs the cause, and retries."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from services.cli.main import FAILED, OK, run
from services.runtime.settings import Settings
from services.workflows import policy_failures, policy_retries
from tests.conftest import use_database
from tests.services.application.workflow_harness import WorkflowHarness, make_harness
from tests.services.workflows.policy_bus import PolicyBus, open_policies
from tests.services.workflows.test_policy_pipeline import Broken, load_notes


@pytest.fixture
async def harness(pool: asyncpg.Pool) -> WorkflowHarness:
    return await make_harness(pool)


@pytest.fixture
def rule() -> Broken:
    return Broken(ZeroDivisionError("division by zero"))


@pytest.fixture
async def bus(harness: WorkflowHarness, rule: Broken, monkeypatch: pytest.MonkeyPatch) -> PolicyBus:
    """Let a policy fail for two leads, and be given up."""
    monkeypatch.setattr(policy_failures, "RETRY_DELAYS", ())
    bus = await open_policies(harness.world, [rule.policy()])
    for _ in range(2):
        await harness.create_lead(first_name="poison")
    await bus.fill()
    return bus


@pytest.fixture
def crm(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Any:
    """Return a function that runs `crm policy …` in a thread: exit code and both outputs."""
    use_database(monkeypatch, settings)

    async def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = await asyncio.to_thread(run, ["policy", *arguments])
        output = capsys.readouterr()
        return code, output.out, output.err

    return call


async def test_failures_are_listed_with_the_reason(
    harness: WorkflowHarness, bus: PolicyBus, crm: Any
) -> None:
    code, out, _ = await crm("failures", "--json")
    rows = json.loads(out)
    assert (code, len(rows)) == (OK, 2)
    assert {row["policy"] for row in rows} == {"broken"}
    assert {row["detail"].partition(" in ")[0] for row in rows} == {"ZeroDivisionError"}
    assert {row["next_attempt_at"] for row in rows} == {None}
    _, out, _ = await crm("failures", "--property", str(uuid4()))
    assert "no policy has failed" in out
    _, out, _ = await crm("failures", "--property", str(harness.property_id), "--limit", "1")
    assert out.count("broken") == 1


async def test_a_retry_after_the_repair_lets_the_policy_act(
    harness: WorkflowHarness, bus: PolicyBus, rule: Broken, crm: Any
) -> None:
    [first, _] = json.loads((await crm("failures", "--json"))[1])
    assert await policy_retries.retry_due(bus.runner) == 0
    rule.error = None
    code, _, err = await crm("retry", first["event_id"][:20])
    assert (code, "1 failures are tried again" in err) == (OK, True)
    while await policy_retries.retry_due(bus.runner):
        pass
    assert await load_notes(harness.world) == ["handled"]
    assert (await crm("retry", "--all"))[0] == OK
    while await policy_retries.retry_due(bus.runner):
        pass
    assert await load_notes(harness.world) == ["handled", "handled"]


async def test_a_dropped_failure_is_gone(bus: PolicyBus, crm: Any) -> None:
    [first, second] = json.loads((await crm("failures", "--json"))[1])
    assert (await crm("drop", first["event_id"]))[0] == OK
    [left] = json.loads((await crm("failures", "--json"))[1])
    assert left["event_id"] == second["event_id"]
    code, _, err = await crm("drop", str(uuid4()))
    assert (code, "see `crm policy failures`" in err) == (FAILED, True)


@pytest.mark.parametrize("arguments", [(), ("0192", "--all")])
async def test_a_retry_needs_an_event_or_all(
    bus: PolicyBus, crm: Any, arguments: tuple[str, ...]
) -> None:
    code, _, err = await crm("retry", *arguments)
    assert code == FAILED
    assert "give either the id of an event or --all" in err
