"""Examples for `lead_workflows`: given events, the rows that they leave."""

from uuid import UUID

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
from tests.projections.given import LEAD, ORG, PROPERTY, at, only, rows_of
from tests.projections.workflows import DEFINITION, RUN, RUN_FIELDS

ENROLLED = RunEnrolled(
    **RUN_FIELDS, definition_id=DEFINITION, definition_version=3, trigger="tour_no_show",
    reentry_key="tour 1", next_action_at=at(60),
)  # fmt: skip
PAUSED = RunPaused(**RUN_FIELDS, remaining_seconds=600)


def step_reached(step: int, next_step: int | None) -> RunStepReached:
    return RunStepReached(
        **RUN_FIELDS, step_number=step, step_id=f"s{step}", action=StepAction.WAIT,
        outcome=StepOutcome.WAITED, next_step_number=next_step,
        next_action_at=None if next_step is None else at(90),
    )  # fmt: skip


def test_a_new_run_is_active_at_the_first_step() -> None:
    (row,) = rows_of(projection, ENROLLED)
    assert row == {
        "id": RUN, "lead_id": LEAD, "workflow_id": DEFINITION, "current_step": 0,
        "status": "active",
        "last_action_at": None, "next_action_at": at(60), "created_at": at(1),
        "updated_at": at(1), "org_id": ORG, "property_id": PROPERTY, "definition_version": 3,
        "trigger": "tour_no_show", "reentry_key": "tour 1", "remaining_seconds": None,
        "stop_reason": None, "stop_code": None, "waits_for": None, "tour_id": None,
        "enrolled_by": None,
    }  # fmt: skip


def test_a_reached_step_moves_the_run_to_the_next_step() -> None:
    columns = ("current_step", "last_action_at", "next_action_at", "status")
    rows = rows_of(projection, ENROLLED, step_reached(0, 1))
    assert only(rows, *columns) == [(1, at(2), at(90), "active")]
    rows = rows_of(projection, ENROLLED, step_reached(0, 1), step_reached(1, None))
    assert only(rows, *columns) == [(2, at(3), None, "active")]


def test_a_paused_run_has_its_remaining_time_until_it_is_resumed() -> None:
    columns = ("status", "remaining_seconds", "next_action_at")
    assert only(rows_of(projection, ENROLLED, PAUSED), *columns) == [("paused", 600, None)]
    resumed = RunResumed(**RUN_FIELDS, next_action_at=at(200))
    rows = rows_of(projection, ENROLLED, PAUSED, resumed)
    assert only(rows, *columns) == [("active", None, at(200))]


def test_a_run_can_be_moved_to_another_version_and_step() -> None:
    moved = RunMoved(**RUN_FIELDS, definition_version=4, step_number=2, next_action_at=at(30))
    rows = rows_of(projection, ENROLLED, PAUSED, moved)
    assert only(rows, "definition_version", "current_step", "next_action_at", "status",
                "remaining_seconds") == [(4, 2, at(30), "paused", None)]  # fmt: skip


@pytest.mark.parametrize(
    ("end", "status", "reason"),
    [
        (RunStopped(**RUN_FIELDS, reason="enough"), "stopped", "enough"),
        (RunConverted(**RUN_FIELDS, status=LeadStatus.LEASED), "converted", "the lead is leased"),
        (RunCompleted(**RUN_FIELDS), "completed", None),
    ],
)
@pytest.mark.parametrize("history", [(), (PAUSED,)])
def test_an_ended_run_has_no_next_action(
    history: tuple[Event, ...], end: Event, status: str, reason: str | None
) -> None:
    rows = rows_of(projection, ENROLLED, *history, end)
    assert only(rows, "status", "stop_reason", "next_action_at", "remaining_seconds") == [
        (status, reason, None, None)
    ]


def test_a_run_that_waits_for_an_event_stays_at_its_step() -> None:
    waiting = RunStepReached(
        **RUN_FIELDS, step_number=1, step_id="w", action=StepAction.WAIT_FOR_EVENT,
        outcome=StepOutcome.WAITING, next_step_number=1, next_action_at=at(99),
        waits_for="tour_booked",
    )  # fmt: skip
    columns = ("current_step", "waits_for", "next_action_at")
    events = (ENROLLED, step_reached(0, 1), waiting)
    assert only(rows_of(projection, *events), *columns) == [(1, "tour_booked", at(99))]
    assert only(rows_of(projection, *events, step_reached(1, 2)), *columns) == [(2, None, at(90))]
    stopped = RunStopped(**RUN_FIELDS, reason="enough", code="merged")
    assert only(rows_of(projection, *events, stopped), "waits_for", "stop_code") == [
        (None, "merged")
    ]


def test_a_run_can_begin_later_and_belong_to_a_tour() -> None:
    tour, ann = UUID(int=41), UUID(int=42)
    later = ENROLLED.model_copy(update={"step_number": 2, "tour_id": tour, "enrolled_by": ann})
    rows = rows_of(projection, later)
    assert only(rows, "current_step", "tour_id", "enrolled_by") == [(2, tour, ann)]
