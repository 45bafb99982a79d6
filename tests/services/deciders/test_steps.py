"""Step types: which options they accept, when they are due, and what they decide."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from events.leads import LeadStatus
from events.runs import StepOutcome
from events.workflows import Step, StepAction
from services.deciders.decider import Refused
from services.deciders.steps.catalog import (
    STEP_TYPES,
    check_steps,
    find_due_time,
    find_next_step,
)
from services.deciders.steps.step_type import (
    AddNote,
    AddTask,
    AssignAgent,
    CallWebhook,
    SetStatus,
    StepContext,
    StepDecision,
)

RUN, LEAD, FLOW, ANN = (UUID(int=n) for n in range(1, 5))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CONTEXT = StepContext(RUN, LEAD, FLOW, NOON, NOON, "America/New_York")
END = Step(id="last", delay_hours=0, action=StepAction.END)


def make(action: str, delay_hours: float = 0, **options: Any) -> Step:
    return Step(id="step", delay_hours=delay_hours, action=StepAction(action), options=options)


def decide(step: Step, context: StepContext = CONTEXT) -> StepDecision:
    step_type = STEP_TYPES[step.action]
    return step_type.decide(step, step_type.read_options(step), context)


def test_every_action_has_a_step_type() -> None:
    assert set(STEP_TYPES) == set(StepAction)


@pytest.mark.parametrize(
    ("step", "part"),
    [
        (make("sms"), "needs a template_slug"),
        (make("wait", unknown=1), "options.unknown"),
        (make("wait_until"), "options.at"),
        (make("wait_until", at="25:00"), "options.at"),
        (make("wait_until", at="09:00", days=-1), "options.days"),
        (make("wait_for_event", event="tour_booked"), "options.limit_hours"),
        (make("wait_for_event", event="moon", limit_hours=1), "options.event"),
        (make("wait_for_event", event="opt_out", limit_hours=1, on_event="x"), "no later step"),
        (make("branch", conditions=[]), "options.conditions"),
        (make("branch", conditions=[{"field": "age", "operator": "exists"}]), "options.conditions"),
        (make("branch", conditions=[{"field": "score", "operator": "at_least"}]), "one value"),
        (make("branch", conditions=[{"field": "score", "operator": "at_least", "value": "a"}]),
         "not comparable"),
        (make("branch", conditions=[{"field": "source", "operator": "exists", "value": 1}]),
         "no value"),
        (make("branch", conditions=[{"field": "source", "operator": "one_of", "value": "a"}]),
         "list"),
        (make("branch", then="step", conditions=[{"field": "email", "operator": "exists"}]),
         "no later step"),
        (make("split", paths=[{"name": "a"}]), "options.paths"),
        (make("split", paths=[{"name": "a"}, {"name": "a"}]), "one name"),
        (make("split", paths=[{"name": "a", "weight": 0}, {"name": "b", "weight": 0}]), "weight"),
        (make("set_status", status="rich"), "options.status"),
        (make("assign"), "options.agent_id"),
        (make("note", text=""), "options.text"),
        (make("task", title="x", due_hours=-1), "options.due_hours"),
        (make("webhook", url="http://example.com"), "https://"),
        (make("webhook", url="https://user:word@example.com"), "password"),
        (Step(id="w", delay_hours=1, action=StepAction.WAIT, template_slug="x"), "remove its"),
    ],
    ids=str,
)  # fmt: skip
def test_a_step_that_cannot_be_done_is_refused_with_the_place(step: Step, part: str) -> None:
    with pytest.raises(Refused, match=part) as caught:
        check_steps([step, END])
    assert (caught.value.code, caught.value.status) == ("invalid_definition", 400)


@pytest.mark.parametrize(
    ("after", "options", "expected"),
    [
        # New York, 2026-03-06 07:30 and 09:30; the clocks go forward on the 8th
        ((6, 12, 30), {"at": "09:00"}, (6, 14, 0)),
        ((6, 14, 30), {"at": "09:00"}, (7, 14, 0)),
        ((6, 12, 30), {"at": "09:00", "days": 3}, (9, 13, 0)),
        ((7, 12, 30), {"at": "02:30", "days": 1}, (8, 7, 30)),  # 02:30 does not exist: 03:30
    ],
)
def test_a_local_time_is_that_of_the_property(
    after: tuple[int, int, int], options: dict[str, Any], expected: tuple[int, int, int]
) -> None:
    def instant(day: int, hour: int, minute: int) -> datetime:
        return datetime(2026, 3, day, hour, minute, tzinfo=UTC)

    step = make("wait_until", **options)
    assert find_due_time(step, instant(*after), "America/New_York") == instant(*expected)


def test_a_local_time_without_a_zone_is_refused_and_never_guessed() -> None:
    with pytest.raises(Refused, match="timezone"):
        find_due_time(make("wait_until", at="09:00"), NOON, None)


def test_a_wait_for_an_event_goes_on_with_the_event_or_the_limit() -> None:
    step = make("wait_for_event", event="reply_received", limit_hours=48, on_timeout="last")
    assert decide(step) == StepDecision(
        StepOutcome.WAITING, waits_for="reply_received", waits_until=NOON + 48 * HOUR
    )
    waiting = replace(CONTEXT, is_waiting=True)
    assert decide(step, waiting) == StepDecision(
        StepOutcome.WAITED, choice="timeout", goes_to="last"
    )
    for context in (CONTEXT, waiting):
        happened = replace(context, happened=["reply_received"])
        assert decide(step, happened) == StepDecision(StepOutcome.DONE, choice="reply_received")


VALUES = {
    "status": "new", "source": "Google Ads", "bedrooms": "2", "score": 45, "score_bucket": "warm",
    "move_in_date": datetime(2026, 5, 1, tzinfo=UTC).date(), "email": None, "first_name": "Ada",
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "operator", "value", "holds"),
    [
        ("status", "equals", "NEW", True),
        ("status", "not_equals", "new", False),
        ("email", "not_equals", "a@b.example", True),
        ("source", "contains", "google", True),
        ("source", "one_of", ["zillow", "google ads"], True),
        ("source", "one_of", ["zillow"], False),
        ("email", "exists", None, False),
        ("email", "missing", None, True),
        ("email", "equals", "", False),
        ("first_name", "exists", None, True),
        ("score", "at_least", 45, True),
        ("score", "at_least", 45.5, False),
        ("score", "at_most", "45", True),
        ("bedrooms", "equals", 2, True),
        ("bedrooms", "at_least", 3, False),
        ("move_in_date", "at_most", "2026-05-01", True),
        ("move_in_date", "at_most", "2026-04-30", False),
        ("first_name", "at_least", 1, False),
    ],
)
def test_a_branch_compares_fields_of_the_lead(
    field: str, operator: str, value: Any, holds: bool
) -> None:
    condition = {"field": field, "operator": operator, "value": value}
    step = make("branch", conditions=[condition], then="a", otherwise="b")
    decision = decide(step, replace(CONTEXT, values=VALUES))
    expected = ("then", "a") if holds else ("otherwise", "b")
    assert (decision.choice, decision.goes_to) == expected


def test_all_conditions_of_a_branch_must_hold() -> None:
    conditions = [
        {"field": "score", "operator": "at_least", "value": 40},
        {"field": "email", "operator": "exists"},
    ]
    step = make("branch", conditions=conditions)
    assert decide(step, replace(CONTEXT, values=VALUES)).choice == "otherwise"
    known = {**VALUES, "email": "ada@example.com"}
    assert decide(step, replace(CONTEXT, values=known)).choice == "then"


def test_a_split_is_stable_by_lead_and_step_and_follows_the_weights() -> None:
    step = make("split", paths=[{"name": "a", "weight": 3}, {"name": "b", "goes_to": "last"}])
    contexts = [replace(CONTEXT, lead_id=uuid4()) for _ in range(2_000)]
    choices = [decide(step, context).choice for context in contexts]
    again = [decide(step, replace(context, run_id=uuid4(), at=NOON + HOUR)).choice
             for context in contexts]  # fmt: skip
    assert choices == again
    assert 1_400 < Counter(choices)["a"] < 1_600
    other = [decide(step.model_copy(update={"id": "other"}), context).choice
             for context in contexts]  # fmt: skip
    assert other != choices


@pytest.mark.parametrize(
    ("step", "effect"),
    [
        (make("set_status", status="qualified"), SetStatus(LeadStatus.QUALIFIED)),
        (make("assign", agent_id=str(ANN)), AssignAgent(ANN)),
        (make("assign", agent_id=None), AssignAgent(None)),
        (make("note", text="Hi {{first_name}}"), AddNote("Hi {{first_name}}")),
        (make("task", title="Call", due_hours=2), AddTask("Call", NOON + 2 * HOUR, None, None)),
    ],
    ids=str,
)
def test_steps_that_change_a_lead(step: Step, effect: object) -> None:
    assert decide(step) == StepDecision(StepOutcome.DONE, effect)  # type: ignore[arg-type]


def test_a_webhook_is_planned_while_it_is_useful() -> None:
    step = make("webhook", url="https://example.com/x", content={"a": 1}, useful_hours=2)
    assert decide(step).effect == CallWebhook("https://example.com/x", {"a": 1}, NOON + 2 * HOUR)
    late = decide(step, replace(CONTEXT, at=NOON + 3 * HOUR))
    assert (late.outcome, late.effect) == (StepOutcome.SKIPPED, None)


def test_the_next_step_is_the_one_below_or_the_target_or_none() -> None:
    steps = [make("wait"), END.model_copy(update={"id": "b"}), END]
    done = StepDecision(StepOutcome.DONE)
    assert find_next_step(steps, 0, done) == 1
    assert find_next_step(steps, 0, replace(done, goes_to="last")) == 2
    assert find_next_step(steps, 2, done) is None
    assert find_next_step(steps, 0, replace(done, ends=True)) is None
