"""`lead_engagement_events` by example."""

from uuid import UUID, uuid5

from events.chat import ConversationMessageReceived
from events.engagements import EngagementRecorded, EngagementType
from events.leads import LeadCaptured, LeadImported
from events.tours import TourCompleted, TourNoShowCorrected, TourNoShowRecorded, TourStatus
from projections.engagements import projection
from tests.projections.given import AGENT, LEAD, TALK, TOUR, at, event_id, only, rows_of

MISSED = TourNoShowRecorded(tour_id=TOUR, lead_id=LEAD)
CORRECTED = TourNoShowCorrected(tour_id=TOUR, lead_id=LEAD, status=TourStatus.COMPLETED)


def test_an_engagement_keeps_the_weight_it_had() -> None:
    event = EngagementRecorded(
        engagement_id=UUID(int=9), lead_id=LEAD, event_type=EngagementType.EMAIL_CLICKED,
        score_weight=99, metadata={"link": '"'},
    )  # fmt: skip
    rows = rows_of(projection, event)
    assert only(rows, "id", "event_type", "score_weight", "metadata", "created_at") == [
        (event_id(1), "email_clicked", 99, {"link": '"'}, at(1))
    ]


def test_domain_events_count_with_the_weight_of_their_kind() -> None:
    rows = rows_of(
        projection,
        LeadCaptured(lead_id=LEAD),
        ConversationMessageReceived(
            conversation_id=TALK, lead_id=LEAD, message_id=UUID(int=9), content="hi"
        ),
        TourCompleted(tour_id=TOUR, lead_id=LEAD),
    )
    assert only(rows, "event_type", "score_weight") == [
        ("website_lead_submitted", 10), ("chat_message_sent", 3), ("tour_completed", 35),
    ]  # fmt: skip


def test_a_lead_that_a_person_typed_in_or_imported_did_nothing_itself() -> None:
    assert rows_of(projection, LeadCaptured(lead_id=LEAD, captured_by=AGENT)) == []
    assert rows_of(projection, LeadImported(lead_id=LEAD, external_id="x")) == []


def test_a_no_show_is_named_by_its_tour_and_goes_when_it_was_none() -> None:
    """The tour's own id will not do: a producer may choose that of another engagement."""
    ((name, weight),) = only(rows_of(projection, MISSED), "id", "score_weight")
    assert (name, weight) == (uuid5(TOUR, "no_show"), -25)
    assert rows_of(projection, MISSED, CORRECTED) == []
    assert only(rows_of(projection, MISSED, CORRECTED, MISSED), "created_at") == [(at(3),)]
