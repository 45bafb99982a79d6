"""The decider of enrolments: who may start a run, when and how often."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from events.leads import LeadCaptured, LeadStatus
from events.runs import RunEnrolled
from events.workflows import ReentryRule, WorkflowActivated, WorkflowDeactivated
from services.deciders.enrolments import EarlierRun, EnrolLead, choose_key, run_id_of
from services.deciders.workflows import Trigger, WorkflowContent
from tests.services.deciders.given import Given, given
from tests.services.deciders.test_workflows import CONTENT, FLOW, defined

RUN, LEAD, EVENT = uuid4(), uuid4(), uuid4()
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ENROL = EnrolLead(RUN, LEAD, FLOW, "lead_created", "once", NOON, triggered_at=NOON)
ACTIVE = WorkflowActivated(definition_id=FLOW)


def world(content: WorkflowContent = CONTENT, status: LeadStatus = LeadStatus.NEW) -> Given:
    fields: dict[str, Any] = {
        name: value for name in ("reentry", "min_interval_hours", "max_age_hours")
        if (value := getattr(content, name)) is not None
    }  # fmt: skip
    captured = LeadCaptured(lead_id=LEAD, status=status, email="ada@example.com")
    return given(defined(1, content, **fields), ACTIVE, captured)


def enrolled(**more: Any) -> RunEnrolled:
    values = {
        "run_id": RUN, "lead_id": LEAD, "definition_id": FLOW, "definition_version": 1,
        "trigger": "lead_created", "reentry_key": "once", "next_action_at": NOON + HOUR / 4,
    }  # fmt: skip
    return RunEnrolled(**{**values, **more})


def earlier(hours_ago: float, *, is_live: bool) -> tuple[EarlierRun, ...]:
    return (EarlierRun(uuid4(), NOON - hours_ago * HOUR, is_live),)


def test_a_run_starts_with_the_delay_of_its_first_step_in_the_newest_version() -> None:
    world().when(ENROL).then(enrolled())
    second = defined(2, replace(CONTENT, display_name="Other"))
    given(*world().events, second).when(ENROL).then(enrolled(definition_version=2))


def test_a_repeated_enrolment_changes_nothing() -> None:
    given(*world().events, enrolled()).when(ENROL).then()


def test_an_inactive_workflow_starts_no_run() -> None:
    events = world().events
    given(events[0], events[2]).when(ENROL).refused("definition_inactive", 409)
    off = WorkflowDeactivated(definition_id=FLOW)
    given(*events, off).when(ENROL).refused("definition_inactive")


@pytest.mark.parametrize(("hours", "limit"), [(24.1, None), (1.1, 1.0)])
def test_an_old_trigger_event_starts_no_run(hours: float, limit: float | None) -> None:
    content = replace(CONTENT, max_age_hours=limit)
    late = replace(ENROL, triggered_at=NOON - hours * HOUR)
    world(content).when(late).refused("trigger_too_old")
    world(content).when(replace(ENROL, triggered_at=NOON - (hours - 0.2) * HOUR)).then(enrolled())


def test_a_lead_in_an_exit_status_starts_no_run() -> None:
    world(status=LeadStatus.LOST).when(ENROL).refused("exit_status")


@pytest.mark.parametrize(
    ("rule", "is_live", "code"),
    [
        (ReentryRule.ONCE, False, "already_enrolled"),
        (ReentryRule.ONCE, True, "already_enrolled"),
        (ReentryRule.AFTER_END, True, "run_live"),
        (ReentryRule.AFTER_END, False, None),
        (ReentryRule.ALWAYS, True, None),
    ],
)
def test_the_re_entry_rule_decides_on_a_second_run(
    rule: ReentryRule, is_live: bool, code: str | None
) -> None:
    command = replace(ENROL, earlier=earlier(1, is_live=is_live))
    decision = world(replace(CONTENT, reentry=rule)).when(command)
    decision.then(enrolled()) if code is None else decision.refused(code, 409)


@pytest.mark.parametrize(("hours_ago", "code"), [(11.9, "too_soon"), (12, None)])
def test_a_second_run_starts_after_the_minimum_interval(hours_ago: float, code: str | None) -> None:
    content = replace(CONTENT, reentry=ReentryRule.ALWAYS, min_interval_hours=12.0)
    decision = world(content).when(replace(ENROL, earlier=earlier(hours_ago, is_live=False)))
    decision.then(enrolled()) if code is None else decision.refused(code)


def test_a_person_can_start_a_run_again_after_the_last_one_ended() -> None:
    content = replace(CONTENT, min_interval_hours=12.0)
    manual = replace(ENROL, trigger="manual", triggered_at=None)
    world(content).when(replace(manual, earlier=earlier(1, is_live=True))).refused("run_live")
    world(content).when(replace(manual, earlier=earlier(1, is_live=False))).then(
        enrolled(trigger="manual")
    )


def test_a_person_can_choose_the_first_step() -> None:
    world().when(replace(ENROL, step_number=1)).then(enrolled(step_number=1, next_action_at=NOON))
    world().when(replace(ENROL, step_number=2)).refused("unknown_step", 400)


def test_unknown_leads_and_workflows_are_refused() -> None:
    events = world().events
    given(*events[:2]).when(ENROL).refused("unknown_subject", 404)
    given(events[2]).when(ENROL).refused("unknown_subject", 404)


def test_a_lead_trigger_has_one_key_and_a_tour_trigger_one_for_each_event() -> None:
    assert choose_key(CONTENT, EVENT) == "once"
    tours = replace(CONTENT, trigger_on=Trigger.TOUR_BOOKED)
    assert choose_key(tours, EVENT) == str(EVENT)
    assert choose_key(replace(tours, reentry=ReentryRule.ONCE), EVENT) == "once"
    assert run_id_of(LEAD, FLOW, "once") == run_id_of(LEAD, FLOW, "once")
    assert run_id_of(LEAD, FLOW, "once") != run_id_of(LEAD, FLOW, str(EVENT))
