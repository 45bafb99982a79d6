"""Any changes of runs, leads and definitions: the runs of the log do what the rules say."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from events.leads import LeadStatus
from tests.services.workflows.run_machine import RunMachine, run_machine
from tests.services.workflows.run_model import VersionModel

Action = tuple[Any, dict[str, Any]]
"""A rule of the machine and its values."""


def walk(machine: RunMachine, actions: Sequence[Action]) -> None:
    """Let the first lead of a machine with two leads go through fixed actions."""
    machine.define(VersionModel((("a", 1), ("b", 2), ("c", 5)), frozenset({LeadStatus.LOST})))
    leads = [machine.create_lead() for _ in range(2)]
    for action, values in actions:
        names = {"lead": leads[0]} if action is RunMachine.change_status else {}
        action(machine, **names, **values)
        machine.the_log_is_the_model()


WORK, SEE = RunMachine.work, RunMachine.see_changes
FIRST = {"number": 0, "step": 0}
FIXED_WALKS: dict[str, Sequence[Action]] = {
    "a repeated step sends again": [
        (WORK, {"quarters": 4}), (RunMachine.restart, FIRST), (WORK, {"quarters": 0}),
        (WORK, {"quarters": 24}), (RunMachine.restart, FIRST), (WORK, {"quarters": 99}),
    ],
    "a step checks the exits": [
        (RunMachine.change_status, {"status": LeadStatus.LOST}), (WORK, {"quarters": 4}), (SEE, {}),
    ],
    "a policy ends a run before its step": [
        (RunMachine.pause, {"number": 0}), (RunMachine.change_status, {"status": LeadStatus.LOST}),
        (SEE, {}), (RunMachine.resume, {"number": 0}),
    ],
    "a pause keeps the rest": [
        (RunMachine.pass_time, {"quarters": 1}), (RunMachine.pause, {"number": 0}),
        (RunMachine.pass_time, {"quarters": 9}), (RunMachine.resume, {"number": 0}),
        (WORK, {"quarters": 3}),
    ],
    "a late step is skipped": [(RunMachine.pass_time, {"quarters": 120}), (WORK, {"quarters": 0})],
}  # fmt: skip


@pytest.mark.parametrize("name", FIXED_WALKS)
async def test_a_fixed_walk_does_what_the_rules_say(pool: asyncpg.Pool, name: str) -> None:
    machine = RunMachine(asyncio.get_running_loop(), pool)
    await asyncio.to_thread(walk, machine, FIXED_WALKS[name])


async def test_runs_do_what_the_rules_say(pool: asyncpg.Pool) -> None:
    await run_machine(pool, walks=60, steps=40)


@pytest.mark.soak
async def test_runs_do_what_the_rules_say_in_two_thousand_walks(pool: asyncpg.Pool) -> None:
    await run_machine(pool, walks=2_000, steps=30)
