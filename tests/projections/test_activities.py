"""`lead_activities` by example."""

from datetime import UTC, date, datetime, time
from uuid import UUID, uuid5

from events.chat import (
    ConversationChannel,
    ConversationMessageReceived,
    ConversationStarted,
    ConversationTakenOver,
    SessionIdentified,
)
from events.engagements import ActivityRecorded, ActivityType
from events.leads import (
    ContactChannel,
    LeadCaptured,
    LeadContacted,
    LeadNoted,
    LeadStatus,
    LeadStatusChanged,
)
from events.tours import TourNoShowCorrected, TourScheduled, TourStatus, TourType
from projections.activities import PREVIEW_CHARACTERS, projection
from tests.projections.given import AGENT, LEAD, SESSION, TALK, TOUR, event_id, only, rows_of


def booked(by: UUID | None) -> TourScheduled:
    return TourScheduled(
        tour_id=TOUR, lead_id=LEAD, tour_date=date(2026, 4, 2), tour_time=time(14), fold=0,
        time_zone="America/New_York", starts_at=datetime(2026, 4, 2, 18, tzinfo=UTC),
        duration_minutes=30, tour_type=TourType.VIRTUAL, source="widget", created_by=by,
    )  # fmt: skip


def test_what_happened_with_a_lead_is_a_line_each() -> None:
    rows = rows_of(
        projection,
        LeadCaptured(lead_id=LEAD, source='the "old" site', captured_by=AGENT),
        LeadNoted(lead_id=LEAD, note="wants a balcony", noted_by=AGENT),
        LeadStatusChanged(lead_id=LEAD, status=LeadStatus.LOST, previous_status=LeadStatus.NEW),
        LeadContacted(lead_id=LEAD, channel=ContactChannel.SMS),
        ActivityRecorded(activity_id=UUID(int=9), lead_id=LEAD, type=ActivityType.CALL_MADE),
    )
    assert only(rows, "id", "type", "description", "created_by") == [
        (event_id(1), "lead_created", 'Lead from the "old" site', AGENT),
        (event_id(2), "note", "wants a balcony", AGENT),
        (event_id(3), "status_change", "Status: new → lost", None),
        (event_id(4), "sms_sent", "Contacted by sms", None),
        (event_id(5), "call_made", None, None),
    ]


def test_a_tour_is_booked_by_a_lead_and_scheduled_by_a_person() -> None:
    rows = rows_of(projection, booked(None), booked(AGENT))
    assert only(rows, "type", "created_by") == [("tour_booked", None), ("tour_scheduled", AGENT)]
    assert rows[0]["description"] == "virtual tour on 2026-04-02 at 14:00"
    assert rows[0]["metadata"] == {"tour_id": str(TOUR)}


def test_a_corrected_no_show_is_said_and_not_unsaid() -> None:
    corrected = TourNoShowCorrected(tour_id=TOUR, lead_id=LEAD, status=TourStatus.CONFIRMED)
    assert only(rows_of(projection, corrected), "type") == [("status_change",)]


def test_a_chat_of_a_known_lead_leaves_lines_and_one_of_nobody_none() -> None:
    def chat(lead: UUID | None) -> list[tuple[str]]:
        ids = {"conversation_id": TALK, "lead_id": lead}
        rows = rows_of(
            projection,
            ConversationStarted(**ids, channel=ConversationChannel.WIDGET),  # type: ignore[arg-type]
            ConversationMessageReceived(**ids, message_id=UUID(int=9), content="x" * 999),  # type: ignore[arg-type]
            ConversationTakenOver(**ids, agent_id=AGENT, epoch=1),  # type: ignore[arg-type]
        )
        assert all(len(row["description"]) <= PREVIEW_CHARACTERS for row in rows)
        return only(rows, "type")

    assert chat(None) == []
    assert chat(LEAD) == [("chat_started",), ("message_received",), ("human_takeover",)]


def test_chats_held_before_become_the_leads_each_under_an_id_of_its_own() -> None:
    other = UUID(int=99)
    known = SessionIdentified(session_id=SESSION, lead_id=LEAD, conversation_ids=(TALK, other))
    assert only(rows_of(projection, known), "id", "type") == [
        (uuid5(event_id(1), str(TALK)), "chat_started"),
        (uuid5(event_id(1), str(other)), "chat_started"),
    ]
