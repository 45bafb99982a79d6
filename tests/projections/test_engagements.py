"""Examples for `lead_engagement_events`: given events, the rows that they leave."""

from uuid import UUID, uuid5

from events.conversations import ConversationMessageReceived
from events.engagements import EngagementRecorded, EngagementType
from events.leads import LeadCaptured, LeadImported
from events.tours import TourCompleted, TourNoShowCorrected, TourNoShowRecorded, TourStatus
from projections.engagements import projection
from tests.projections.given import AGENT, CONVERSATION, LEAD, TOUR, at, event_id, only, rows_of

MISSED = TourNoShowRecorded(tour_id=TOUR, lead_id=LEAD)
CORRECTED = TourNoShowCorrected(tour_id=TOUR, lead_id=LEAD, status=TourStatus.COMPLETED)


def test_a_reported_engagement_keeps_its_own_weight() -> None:
    event = EngagementRecorded(
        engagement_id=UUID(int=9), lead_id=LEAD, event_type=EngagementType.EMAIL_CLICKED,
        score_weight=99, metadata={"link": '"'},
    )  # fmt: skip
    rows = rows_of(projection, event)
    assert only(rows, "id", "event_type", "score_weight", "metadata", "created_at") == [
        (event_id(1), "email_clicked", 99, {"link": '"'}, at(1))
    ]


def test_domain_events_get_the_default_weight_of_their_type() -> None:
    rows = rows_of(
        projection,
        LeadCaptured(lead_id=LEAD),
        ConversationMessageReceived(
            conversation_id=CONVERSATION, lead_id=LEAD, message_id=UUID(int=9), content="hi"
        ),
        TourCompleted(tour_id=TOUR, lead_id=LEAD),
    )
    assert only(rows, "event_type", "score_weight") == [
        ("website_lead_submitted", 10), ("chat_message_sent", 3), ("tour_completed", 35),
    ]  # fmt: skip


def test_entered_and_imported_leads_are_no_engagement() -> None:
    assert rows_of(projection, LeadCaptured(lead_id=LEAD, captured_by=AGENT)) == []
    assert rows_of(projection, LeadImported(lead_id=LEAD, external_id="x")) == []


def test_a_no_show_has_an_id_of_its_tour_and_a_correction_deletes_it() -> None:
    """The tour's own id cannot be used: a producer may choose it as id of another engagement."""
    ((row_id, weight),) = only(rows_of(projection, MISSED), "id", "score_weight")
    assert (row_id, weight) == (uuid5(TOUR, "no_show"), -25)
    assert rows_of(projection, MISSED, CORRECTED) == []
    assert only(rows_of(projection, MISSED, CORRECTED, MISSED), "created_at") == [(at(3),)]
