"""Runs: a pause keeps what is left, a stop works from any live state, an end is an end."""

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
WHO: dict[str, Any] = {"run_id": RUN, "lead_id": LEAD}
ENROLLED = RunEnrolled(
    **WHO, definition_id=FLOW, definition_version=1, trigger="lead_created", reentry_key="1",
    next_action_at=DUE,
)  # fmt: skip
PAUSED = RunPaused(**WHO, remaining_seconds=7_200)
RESUMED = RunResumed(**WHO, next_action_at=DUE)
PAUSE, RESUME, STOP = PauseRun(RUN, LEAD, NOON), ResumeRun(RUN, LEAD, NOON), StopRun(RUN, LEAD, "x")


def test_a_pause_keeps_what_is_left_and_a_resumed_run_has_it_again() -> None:
    given(ENROLLED).when(PAUSE).then(PAUSED)
    later = NOON + timedelta(days=3)
    given(ENROLLED, PAUSED).when(ResumeRun(RUN, LEAD, later, ANN)).then(
        RunResumed(**WHO, next_action_at=later + timedelta(hours=2), resumed_by=ANN)
    )


@pytest.mark.parametrize(
    ("at", "left"),
    [(DUE - timedelta(microseconds=1), 1), (DUE, 0), (DUE + timedelta(days=1), 0)],
)
def test_what_is_left_is_never_less_than_nothing(at: datetime, left: int) -> None:
    given(ENROLLED).when(PauseRun(RUN, LEAD, at)).then(RunPaused(**WHO, remaining_seconds=left))


def test_a_run_without_a_next_action_has_none_after_a_pause() -> None:
    reached = RunStepReached(
        **WHO, step_number=0, step_id="a", action=StepAction.WAIT, outcome=StepOutcome.WAITED
    )
    paused = RunPaused(**WHO)
    given(ENROLLED, reached).when(PAUSE).then(paused)
    given(ENROLLED, reached, paused).when(RESUME).then(RunResumed(**WHO))


def test_a_run_that_was_moved_while_it_stood_has_an_instant_of_its_own() -> None:
    for instant in (NOON - timedelta(hours=1), NOON + timedelta(hours=1)):
        moved = RunMoved(**WHO, definition_version=2, step_number=1, next_action_at=instant)
        given(ENROLLED, PAUSED, moved).when(RESUME).then(
            RunResumed(**WHO, next_action_at=max(NOON, instant))
        )


@pytest.mark.parametrize("history", [(), (PAUSED,), (PAUSED, RESUMED)])
def test_a_stop_works_from_any_live_state(history: tuple[Event, ...]) -> None:
    given(ENROLLED, *history).when(StopRun(RUN, LEAD, "enough", ANN)).then(
        RunStopped(**WHO, reason="enough", stopped_by=ANN)
    )


@pytest.mark.parametrize(
    "end",
    [RunStopped(**WHO, reason="x"), RunConverted(**WHO, status=LeadStatus.LEASED),
     RunCompleted(**WHO)],
)  # fmt: skip
@pytest.mark.parametrize("command", [PAUSE, RESUME, STOP])
def test_an_end_is_an_end(end: Event, command: PauseRun | ResumeRun | StopRun) -> None:
    given(ENROLLED, end).when(command).refused("run_state", 409)


def test_the_same_said_again_is_nothing() -> None:
    given(ENROLLED, PAUSED).when(PAUSE).then()
    given(ENROLLED).when(RESUME).then()


def test_a_run_that_is_not_there_or_is_another_s_is_not_found() -> None:
    given().when(STOP).refused("unknown_subject", 404)
    given(ENROLLED).when(StopRun(RUN, uuid4(), "x")).refused("not_this_lead", 404)
