"""The decider of runs: pause, resume and stop."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from events.event import Event
from events.leads import LeadStatus
from events.runs import (
    RunCompleted,
    RunConverted,
    RunEnrolled,
    RunMoved,
    RunPaused,
    RunResumed,
    RunStepReached,
    RunStopped,
    StepOutcome,
)
from events.workflows import StepAction
from services.deciders.runs import PauseRun, ResumeRun, StopRun
from tests.services.deciders.given import given

RUN, LEAD, FLOW, ANN = uuid4(), uuid4(), uuid4(), uuid4()
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DUE = NOON + timedelta(hours=2)
IDS: dict[str, Any] = {"run_id": RUN, "lead_id": LEAD}
ENROLLED = RunEnrolled(
    **IDS, definition_id=FLOW, definition_version=1, trigger="lead_created", reentry_key="1",
    next_action_at=DUE,
)  # fmt: skip
PAUSED = RunPaused(**IDS, remaining_seconds=7_200)
RESUMED = RunResumed(**IDS, next_action_at=DUE)
PAUSE, RESUME, STOP = PauseRun(RUN, LEAD, NOON), ResumeRun(RUN, LEAD, NOON), StopRun(RUN, LEAD, "x")


def test_a_pause_stores_the_rest_of_the_delay_and_a_resumed_run_continues_with_it() -> None:
    given(ENROLLED).when(PAUSE).then(PAUSED)
    later = NOON + timedelta(days=3)
    given(ENROLLED, PAUSED).when(ResumeRun(RUN, LEAD, later, ANN)).then(
        RunResumed(**IDS, next_action_at=later + timedelta(hours=2), resumed_by=ANN)
    )


@pytest.mark.parametrize(
    ("at", "left"),
    [(DUE - timedelta(microseconds=1), 1), (DUE, 0), (DUE + timedelta(days=1), 0)],
)
def test_the_rest_of_the_delay_is_never_negative(at: datetime, left: int) -> None:
    given(ENROLLED).when(PauseRun(RUN, LEAD, at)).then(RunPaused(**IDS, remaining_seconds=left))


def test_a_run_without_a_next_action_has_none_after_a_pause() -> None:
    reached = RunStepReached(
        **IDS, step_number=0, step_id="a", action=StepAction.WAIT, outcome=StepOutcome.WAITED
    )
    paused = RunPaused(**IDS)
    given(ENROLLED, reached).when(PAUSE).then(paused)
    given(ENROLLED, reached, paused).when(RESUME).then(RunResumed(**IDS))


def test_a_run_that_was_moved_while_paused_continues_at_its_new_time() -> None:
    for instant in (NOON - timedelta(hours=1), NOON + timedelta(hours=1)):
        moved = RunMoved(**IDS, definition_version=2, step_number=1, next_action_at=instant)
        given(ENROLLED, PAUSED, moved).when(RESUME).then(
            RunResumed(**IDS, next_action_at=max(NOON, instant))
        )


@pytest.mark.parametrize("history", [(), (PAUSED,), (PAUSED, RESUMED)])
def test_a_live_run_can_be_stopped(history: tuple[Event, ...]) -> None:
    given(ENROLLED, *history).when(StopRun(RUN, LEAD, "enough", ANN)).then(
        RunStopped(**IDS, reason="enough", stopped_by=ANN)
    )


@pytest.mark.parametrize(
    "end",
    [RunStopped(**IDS, reason="x"), RunConverted(**IDS, status=LeadStatus.LEASED),
     RunCompleted(**IDS)],
)  # fmt: skip
@pytest.mark.parametrize("command", [PAUSE, RESUME, STOP])
def test_a_run_that_has_ended_accepts_no_command(
    end: Event, command: PauseRun | ResumeRun | StopRun
) -> None:
    given(ENROLLED, end).when(command).refused("run_state", 409)


def test_a_repeated_command_changes_nothing() -> None:
    given(ENROLLED, PAUSED).when(PAUSE).then()
    given(ENROLLED).when(RESUME).then()


def test_an_unknown_run_or_a_run_of_another_lead_is_not_found() -> None:
    given().when(STOP).refused("unknown_subject", 404)
    given(ENROLLED).when(StopRun(RUN, uuid4(), "x")).refused("not_this_lead", 404)
