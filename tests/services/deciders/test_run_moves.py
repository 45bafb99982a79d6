"""The decider of moves: to another version, and a restart from a step."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from events.runs import RunCompleted, RunEnrolled, RunMoved, RunPaused, RunStepReached, StepOutcome
from events.workflows import Step, StepAction
from services.deciders.run_moves import MoveRun, find_target
from services.deciders.workflows import Trigger, WorkflowContent
from tests.services.deciders.given import given
from tests.services.deciders.test_workflows import CONTENT, FLOW, defined

RUN, LEAD, ANN = uuid4(), uuid4(), uuid4()
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DUE = NOON + timedelta(hours=5)
IDS: dict[str, Any] = {"run_id": RUN, "lead_id": LEAD}
ENROLLED = RunEnrolled(
    **IDS, definition_id=FLOW, definition_version=1, trigger="lead_created", reentry_key="once",
    next_action_at=DUE,
)  # fmt: skip
WORLD = (defined(1), defined(2, replace(CONTENT, display_name="Other")), ENROLLED)
MOVE = MoveRun(RUN, LEAD, FLOW, 2, 1, NOON, reason="shorter", moved_by=ANN)
MOVED = RunMoved(
    **IDS, definition_version=2, step_number=1, next_action_at=DUE, reason="shorter", moved_by=ANN
)


def test_a_moved_run_keeps_its_due_time() -> None:
    given(*WORLD).when(MOVE).then(MOVED)
    given(*WORLD, MOVED).when(MOVE).then()


def test_a_restarted_run_does_the_step_at_once() -> None:
    restart = MoveRun(RUN, LEAD, FLOW, 1, 0, NOON, restarts=True)
    given(*WORLD).when(restart).then(
        RunMoved(**IDS, definition_version=1, step_number=0, next_action_at=NOON)
    )


def test_a_paused_run_stays_paused_with_the_rest_of_its_delay() -> None:
    paused = RunPaused(**IDS, remaining_seconds=600)
    later = replace(MOVE, at=NOON + timedelta(days=2))
    due = later.at + timedelta(seconds=600)
    given(*WORLD, paused).when(later).then(
        MOVED.model_copy(update={"next_action_at": due}),
        RunPaused(**IDS, remaining_seconds=600, reason="shorter", paused_by=ANN),
    )


def test_a_run_that_waits_for_an_event_looks_for_it_at_once() -> None:
    waiting = RunStepReached(
        **IDS, step_number=0, step_id="w", action=StepAction.WAIT_FOR_EVENT,
        outcome=StepOutcome.WAITING, next_step_number=0, next_action_at=DUE, waits_for="opt_out",
    )  # fmt: skip
    given(*WORLD, waiting).when(MOVE).then(MOVED.model_copy(update={"next_action_at": NOON}))


def test_a_move_that_is_impossible_is_refused() -> None:
    given(*WORLD).when(replace(MOVE, version=3)).refused("unknown_subject", 404)
    given(*WORLD).when(replace(MOVE, definition_id=uuid4())).refused("unknown_subject", 404)
    given(*WORLD).when(replace(MOVE, step_number=2)).refused("unknown_step", 400)
    given(*WORLD, RunCompleted(**IDS)).when(MOVE).refused("run_state", 409)
    given(*WORLD).when(replace(MOVE, lead_id=uuid4())).refused("not_this_lead", 404)


def test_a_step_is_found_by_its_id_or_by_the_mapping() -> None:
    def content(*ids: str) -> WorkflowContent:
        steps = tuple(Step(id=key, delay_hours=0, action=StepAction.WAIT) for key in ids)
        return WorkflowContent("Flow", Trigger.LEAD_CREATED, steps)

    old, new = content("a", "b"), content("b", "c")
    assert [find_target(old, new, number, {}) for number in (0, 1, 2)] == [None, 0, None]
    assert find_target(old, new, 0, {"a": "c"}) == 1
    assert find_target(old, new, 1, {"b": "x"}) is None
