"""`lead_scores` by example; `scoring/` holds the rules against the plan."""

from datetime import timedelta
from uuid import UUID

from events.engagements import EngagementRecorded, EngagementType, ScoreDue
from events.leads import LeadCaptured, LeadUpdated
from events.tours import TourNoShowCorrected, TourNoShowRecorded, TourStatus
from projections.scores import projection
from tests.projections.given import AGENT, LEAD, NOON, TOUR, at, only, rows_of

CAPTURED = LeadCaptured(
    lead_id=LEAD, source="Google", email="a@example.com", captured_by=AGENT
)  # 12 + 8 + 15 for being new
DAY = timedelta(days=1)


def engaged(kind: EngagementType, weight: int) -> EngagementRecorded:
    return EngagementRecorded(
        engagement_id=UUID(int=weight), lead_id=LEAD, event_type=kind, score_weight=weight
    )


def test_a_lead_is_scored_from_its_first_fact_on() -> None:
    rows = rows_of(projection, CAPTURED)
    assert only(rows, "total_score", "score_bucket", "scored_at", "revision") == [
        (35, "cold", at(1), 1)
    ]
    assert [factor["factor"] for factor in rows[0]["factors"]] == [
        "Email provided", "Source: Google", "Timing",
    ]  # fmt: skip


def test_a_row_is_added_where_the_result_changes_and_only_there() -> None:
    rows = rows_of(
        projection, CAPTURED, engaged(EngagementType.PRICE_CHECK, 12),
        LeadUpdated(lead_id=LEAD, bedrooms="2"), LeadUpdated(lead_id=LEAD, phone="+15551234567"),
    )  # fmt: skip
    assert only(rows, "total_score", "scored_at", "revision") == [
        (35, at(1), 1), (47, at(2), 2), (53, at(4), 3),
    ]  # fmt: skip


def test_time_alone_changes_a_score_at_its_own_instant_however_late_the_timer() -> None:
    due = (ScoreDue(lead_id=LEAD, due_at=NOON), NOON + 100 * DAY)
    rows = rows_of(projection, CAPTURED, due)
    assert only(rows, "timing_score", "scored_at") == [
        (15, NOON), (12, NOON + DAY), (8, NOON + 3 * DAY), (5, NOON + 7 * DAY),
        (2, NOON + 14 * DAY),
    ]  # fmt: skip


def test_an_engagement_counts_for_thirty_days() -> None:
    due = (ScoreDue(lead_id=LEAD, due_at=NOON), NOON + 100 * DAY)
    rows = rows_of(projection, CAPTURED, engaged(EngagementType.SMS_REPLIED, 20), due)
    assert only(rows, "engagement_score", "scored_at")[-1] == (0, at(2) + 30 * DAY)


def test_time_never_runs_backwards_within_a_lead() -> None:
    backdated = (engaged(EngagementType.CALL_INBOUND, 20), NOON - 5 * DAY)
    rows = rows_of(projection, CAPTURED, LeadUpdated(lead_id=LEAD, first_name="A"), backdated)
    assert only(rows, "total_score", "scored_at") == [(35, at(1)), (38, at(2)), (58, at(2))]


def test_a_no_show_that_was_none_leaves_the_score_as_it_was() -> None:
    missed = TourNoShowRecorded(tour_id=TOUR, lead_id=LEAD)
    corrected = TourNoShowCorrected(tour_id=TOUR, lead_id=LEAD, status=TourStatus.SCHEDULED)
    rows = rows_of(projection, CAPTURED, missed, corrected)
    assert only(rows, "total_score", "engagement_score", "behavior_score") == [
        (35, 0, 0), (5, -25, -5), (43, 0, 8),
    ]  # fmt: skip
