"""Model v1.0 equals an independent implementation of the plan for the same inputs."""

from datetime import datetime, timedelta

from hypothesis import example, given, settings

from projections.scoring import v1
from projections.scoring.inputs import expire, instant, micros
from tests.projections.scoring.plan import EPOCH, THIRTY_DAYS, TICK, Lead, leads_at, plan

MANY_EXAMPLES = settings(max_examples=2_000, deadline=None)
SOME_EXAMPLES = settings(max_examples=600, deadline=None)


@MANY_EXAMPLES
@given(leads_at())
def test_every_number_of_the_score_equals_the_plan(case: tuple[Lead, datetime]) -> None:
    lead, now = case
    assert v1.score(lead.inputs, micros(now))[:7] == plan(lead, now)


@SOME_EXAMPLES
@given(leads_at())
def test_the_factors_sum_to_the_score(case: tuple[Lead, datetime]) -> None:
    lead, now = case
    score = v1.score(lead.inputs, micros(now))
    assert sum(int(factor["impact"]) for factor in score.factors) == score.total
    for factor in score.factors:
        assert factor["type"] == ("negative" if factor["impact"].startswith("-") else "positive")


@SOME_EXAMPLES
@given(leads_at())
@example((Lead(engagements=[(EPOCH, 10), (EPOCH, -10)]), EPOCH + timedelta(days=20)))
def test_the_next_change_is_the_first_instant_that_changes_the_score(
    case: tuple[Lead, datetime],
) -> None:
    lead, now = case
    inputs = lead.inputs
    score = v1.score(inputs, micros(now))
    later = sorted(at for at in lead.candidates() if at > now)
    expected = next((at for at in later if v1.score(inputs, micros(at)) != score), None)
    change = v1.next_change(inputs, micros(now))
    assert (None if change is None else instant(change)) == expected
    if expected is not None:
        assert v1.score(inputs, micros(expected - TICK)) == score


@SOME_EXAMPLES
@given(leads_at())
def test_removing_expired_engagements_changes_no_score(case: tuple[Lead, datetime]) -> None:
    lead, now = case
    inputs = lead.inputs
    before = v1.score(inputs, micros(now))
    change = v1.next_change(inputs, micros(now))
    expire(inputs, micros(now))
    assert all(instant(at) > now - THIRTY_DAYS for at, _ in inputs["window"])
    assert v1.score(inputs, micros(now)) == before
    assert v1.next_change(inputs, micros(now)) == change


def test_a_missing_source_is_named_unknown_and_quotes_are_kept() -> None:
    for source, label in ((None, "unknown"), ('the "old" site\\', 'the "old" site\\')):
        score = v1.score(Lead(source=source).inputs, micros(EPOCH))
        assert score.factors[0] == {
            "factor": f"Source: {label}",
            "impact": "+5",
            "type": "positive",
        }


def test_an_event_after_the_instant_does_not_count() -> None:
    lead = Lead(engagements=[(EPOCH + TICK, 40)])
    assert v1.score(lead.inputs, micros(EPOCH)).engagement == 0
    assert v1.score(lead.inputs, micros(EPOCH + TICK)).engagement == 40
