"""Examples for `lead_scores`. The tests in `scoring/` compare the rules with the plan."""

from datetime import timedelta
from uuid import UUID

from events.engagements import EngagementRecorded, EngagementType
from events.leads import LeadCaptured, LeadUpdated
from events.scores import ScoreDue
from events.tours import TourNoShowCorrected, TourNoShowRecorded, TourStatus
from projections.scores import projection
from tests.projections.given import AGENT, LEAD, NOON, TOUR, at, only, rows_of

CAPTURED = LeadCaptured(
    lead_id=LEAD, source="Google", email="a@example.com", captured_by=AGENT
)  # 12 + 8 + 15 for being new
DAY = timedelta(days=1)


def engagement(kind: EngagementType, weight: int) -> EngagementRecorded:
    return EngagementRecorded(
        engagement_id=UUID(int=weight), lead_id=LEAD, event_type=kind, score_weight=weight
    )


def test_a_lead_is_scored_at_its_first_event() -> None:
    rows = rows_of(projection, CAPTURED)
    assert only(rows, "total_score", "score_bucket", "scored_at", "revision") == [
        (35, "cold", at(1), 1)
    ]
    assert [factor["factor"] for factor in rows[0]["factors"]] == [
        "Email provided", "Source: Google", "Timing",
    ]  # fmt: skip


def test_a_row_is_added_only_if_the_result_changes() -> None:
    rows = rows_of(
        projection, CAPTURED, engagement(EngagementType.PRICE_CHECK, 12),
        LeadUpdated(lead_id=LEAD, bedrooms="2"), LeadUpdated(lead_id=LEAD, phone="+15551234567"),
    )  # fmt: skip
    assert only(rows, "total_score", "scored_at", "revision") == [
        (35, at(1), 1), (47, at(2), 2), (53, at(4), 3),
    ]  # fmt: skip


def test_changes_by_time_have_their_own_instant_even_if_the_timer_is_late() -> None:
    due = (ScoreDue(lead_id=LEAD, due_at=NOON), NOON + 100 * DAY)
    rows = rows_of(projection, CAPTURED, due)
    assert only(rows, "timing_score", "scored_at") == [
        (15, NOON), (12, NOON + DAY), (8, NOON + 3 * DAY), (5, NOON + 7 * DAY),
        (2, NOON + 14 * DAY),
    ]  # fmt: skip


def test_an_engagement_counts_for_thirty_days() -> None:
    due = (ScoreDue(lead_id=LEAD, due_at=NOON), NOON + 100 * DAY)
    rows = rows_of(projection, CAPTURED, engagement(EngagementType.SMS_REPLIED, 20), due)
    assert only(rows, "engagement_score", "scored_at")[-1] == (0, at(2) + 30 * DAY)


def test_the_fold_time_of_a_lead_never_decreases() -> None:
    backdated = (engagement(EngagementType.CALL_INBOUND, 20), NOON - 5 * DAY)
    rows = rows_of(projection, CAPTURED, LeadUpdated(lead_id=LEAD, first_name="A"), backdated)
    assert only(rows, "total_score", "scored_at") == [(35, at(1)), (38, at(2)), (58, at(2))]


def test_a_corrected_no_show_does_not_change_the_score() -> None:
    no_show = TourNoShowRecorded(tour_id=TOUR, lead_id=LEAD)
    corrected = TourNoShowCorrected(tour_id=TOUR, lead_id=LEAD, status=TourStatus.SCHEDULED)
    rows = rows_of(projection, CAPTURED, no_show, corrected)
    assert only(rows, "total_score", "engagement_score", "behavior_score") == [
        (35, 0, 0), (5, -25, -5), (43, 0, 8),
    ]  # fmt: skip
