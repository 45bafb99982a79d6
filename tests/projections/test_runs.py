"""`lead_workflows` by example."""

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
from projections.runs import projection
from tests.projections.given import HOUSE, LEAD, ORG, at, only, rows_of
from tests.projections.workflows import FLOW, RUN, WHO

ENROLLED = RunEnrolled(
    **WHO, definition_id=FLOW, definition_version=3, trigger="tour_no_show", reentry_key="tour 1",
    next_action_at=at(60),
)  # fmt: skip
PAUSED = RunPaused(**WHO, remaining_seconds=600)


def reached(step: int, following: int | None) -> RunStepReached:
    return RunStepReached(
        **WHO, step_number=step, step_id=f"s{step}", action=StepAction.WAIT,
        outcome=StepOutcome.WAITED, next_step_number=following,
        next_action_at=None if following is None else at(90),
    )  # fmt: skip


def test_an_enrolled_lead_stands_before_the_first_step() -> None:
    (row,) = rows_of(projection, ENROLLED)
    assert row == {
        "id": RUN, "lead_id": LEAD, "workflow_id": FLOW, "current_step": 0, "status": "active",
        "last_action_at": None, "next_action_at": at(60), "created_at": at(1),
        "updated_at": at(1), "org_id": ORG, "property_id": HOUSE, "definition_version": 3,
        "trigger": "tour_no_show", "reentry_key": "tour 1", "remaining_seconds": None,
        "stop_reason": None,
    }  # fmt: skip


def test_a_step_that_was_reached_leads_to_the_next() -> None:
    columns = ("current_step", "last_action_at", "next_action_at", "status")
    rows = rows_of(projection, ENROLLED, reached(0, 1))
    assert only(rows, *columns) == [(1, at(2), at(90), "active")]
    rows = rows_of(projection, ENROLLED, reached(0, 1), reached(1, None))
    assert only(rows, *columns) == [(2, at(3), None, "active")]


def test_a_pause_keeps_what_is_left_until_the_run_goes_on() -> None:
    columns = ("status", "remaining_seconds", "next_action_at")
    assert only(rows_of(projection, ENROLLED, PAUSED), *columns) == [("paused", 600, None)]
    resumed = RunResumed(**WHO, next_action_at=at(200))
    rows = rows_of(projection, ENROLLED, PAUSED, resumed)
    assert only(rows, *columns) == [("active", None, at(200))]


def test_a_run_is_moved_to_another_step_of_another_version() -> None:
    moved = RunMoved(**WHO, definition_version=4, step_number=2, next_action_at=at(30))
    rows = rows_of(projection, ENROLLED, PAUSED, moved)
    assert only(rows, "definition_version", "current_step", "next_action_at", "status",
                "remaining_seconds") == [(4, 2, at(30), "paused", None)]  # fmt: skip


@pytest.mark.parametrize(
    ("end", "status", "reason"),
    [
        (RunStopped(**WHO, reason="enough"), "stopped", "enough"),
        (RunConverted(**WHO, status=LeadStatus.LEASED), "converted", "the lead is leased"),
        (RunCompleted(**WHO), "completed", None),
    ],
)
@pytest.mark.parametrize("history", [(), (PAUSED,)])
def test_a_run_that_has_ended_has_nothing_to_come(
    history: tuple[Event, ...], end: Event, status: str, reason: str | None
) -> None:
    rows = rows_of(projection, ENROLLED, *history, end)
    assert only(rows, "status", "stop_reason", "next_action_at", "remaining_seconds") == [
        (status, reason, None, None)
    ]
