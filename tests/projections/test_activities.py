"""Examples for `lead_activities`: given events, the rows that they leave."""

from datetime import UTC, date, datetime, time
from uuid import UUID, uuid5

from events.activities import ActivityRecorded, ActivityType
from events.conversations import (
    ConversationChannel,
    ConversationMessageReceived,
    ConversationStarted,
    ConversationTakenOver,
)
from events.leads import (
    ContactChannel,
    LeadCaptured,
    LeadContacted,
    LeadNoted,
    LeadStatus,
    LeadStatusChanged,
)
from events.sessions import SessionIdentified
from events.tours import TourNoShowCorrected, TourScheduled, TourStatus, TourType
from projections.activities import PREVIEW_CHARACTERS, projection
from tests.projections.given import (
    AGENT,
    CONVERSATION,
    LEAD,
    SESSION,
    TOUR,
    event_id,
    only,
    rows_of,
)


def tour_scheduled(created_by: UUID | None) -> TourScheduled:
    return TourScheduled(
        tour_id=TOUR, lead_id=LEAD, tour_date=date(2026, 4, 2), tour_time=time(14), fold=0,
        time_zone="America/New_York", starts_at=datetime(2026, 4, 2, 18, tzinfo=UTC),
        duration_minutes=30, tour_type=TourType.VIRTUAL, source="widget", created_by=created_by,
    )  # fmt: skip


def test_each_event_of_a_lead_is_one_activity() -> None:
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


def test_a_tour_of_a_visitor_is_booked_and_one_of_a_user_is_scheduled() -> None:
    rows = rows_of(projection, tour_scheduled(None), tour_scheduled(AGENT))
    assert only(rows, "type", "created_by") == [("tour_booked", None), ("tour_scheduled", AGENT)]
    assert rows[0]["description"] == "virtual tour on 2026-04-02 at 14:00"
    assert rows[0]["metadata"] == {"tour_id": str(TOUR)}


def test_a_corrected_no_show_adds_an_activity() -> None:
    corrected = TourNoShowCorrected(tour_id=TOUR, lead_id=LEAD, status=TourStatus.CONFIRMED)
    assert only(rows_of(projection, corrected), "type") == [("status_change",)]


def test_a_chat_adds_activities_only_if_it_has_a_lead() -> None:
    def activities_of_chat(lead: UUID | None) -> list[tuple[str]]:
        ids = {"conversation_id": CONVERSATION, "lead_id": lead}
        rows = rows_of(
            projection,
            ConversationStarted(**ids, channel=ConversationChannel.WIDGET),  # type: ignore[arg-type]
            ConversationMessageReceived(**ids, message_id=UUID(int=9), content="x" * 999),  # type: ignore[arg-type]
            ConversationTakenOver(**ids, agent_id=AGENT, epoch=1),  # type: ignore[arg-type]
        )
        assert all(len(row["description"]) <= PREVIEW_CHARACTERS for row in rows)
        return only(rows, "type")

    assert activities_of_chat(None) == []
    assert activities_of_chat(LEAD) == [
        ("chat_started",),
        ("message_received",),
        ("human_takeover",),
    ]


def test_earlier_chats_of_an_identified_session_are_activities_with_ids_of_their_own() -> None:
    other = UUID(int=99)
    identified = SessionIdentified(
        session_id=SESSION, lead_id=LEAD, conversation_ids=(CONVERSATION, other)
    )
    assert only(rows_of(projection, identified), "id", "type") == [
        (uuid5(event_id(1), str(CONVERSATION)), "chat_started"),
        (uuid5(event_id(1), str(other)), "chat_started"),
    ]
