"""Model v1.0 equals an independent implementation of the plan for the same inputs."""

from datetime import datetime, timedelta

from hypothesis import example, given, settings

from projections.scoring import v1
from projections.scoring.inputs import add_engagement, expire, instant, micros
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


def test_an_engagement_of_thirty_days_ago_is_not_kept_and_a_younger_one_is() -> None:
    inputs, now = Lead().inputs, micros(EPOCH)
    for at in (EPOCH - THIRTY_DAYS, EPOCH - THIRTY_DAYS + TICK):
        add_engagement(inputs, micros(at), 5, now)
    assert inputs["window"] == [[micros(EPOCH - THIRTY_DAYS + TICK), 5]]
    assert inputs["engagements"] == 2


def test_engagement_is_high_above_twenty_points() -> None:
    for weight, name in ((20, "Engagement"), (21, "High engagement (1 events)")):
        factors = v1.score(Lead(engagements=[(EPOCH, weight)]).inputs, micros(EPOCH)).factors
        assert name in [factor["factor"] for factor in factors]


def test_the_first_of_two_engagements_expires_before_the_age_changes() -> None:
    """Of a merged lead, the first engagement may be older than the lead."""
    first = EPOCH - THIRTY_DAYS + timedelta(hours=12)
    inputs = Lead(engagements=[(first, 10), (EPOCH, 10)]).inputs
    assert v1.next_change(inputs, micros(EPOCH)) == micros(first + THIRTY_DAYS)
    without_points = Lead(engagements=[(first, 0), (EPOCH, 10)]).inputs
    assert v1.next_change(without_points, micros(EPOCH)) == micros(EPOCH + timedelta(days=1))


def test_a_character_of_a_source_is_lowered_to_one_character() -> None:
    assert v1.source_score("WEBS\u0130TE") == v1.source_score("website") == 8


def test_the_type_of_a_factor_is_its_sign() -> None:
    for weight in (-1, 1):
        score = v1.score(Lead(engagements=[(EPOCH, weight)]).inputs, micros(EPOCH))
        types = {factor["factor"]: factor["type"] for factor in score.factors}
        assert types["Engagement"] == ("positive" if weight > 0 else "negative")


def test_the_limit_is_a_factor_only_of_a_score_that_it_changes() -> None:
    best = Lead(
        source="referral", email="x", phone="x", first_name="x", last_name="x",
        engagements=[(EPOCH, 50)], tours={"tour": "completed"},
    )  # fmt: skip
    for lead, total, limit in (
        (best, 100, None),
        (Lead(), 20, None),
        (Lead(engagements=[(EPOCH, -20)]), 0, None),
        (Lead(engagements=[(EPOCH, -21)]), 0, "+1"),
        (Lead(engagements=[(EPOCH, -19)]), 1, None),
    ):
        score = v1.score(lead.inputs, micros(EPOCH))
        limits = {factor["factor"]: factor["impact"] for factor in score.factors}
        assert (score.total, limits.get("Limit")) == (total, limit)


def test_the_factor_of_tours_is_named_after_their_outcome() -> None:
    def names(status: str) -> set[str]:
        score = v1.score(Lead(tours={"tour": status}).inputs, micros(EPOCH))
        return {factor["factor"] for factor in score.factors if factor["factor"].startswith("Tour")}

    assert names("completed") == names("scheduled") == {"Tour activity"}
    assert names("no_show") == {"Tour no-show"}
    assert names("cancelled") == set()
