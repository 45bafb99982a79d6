"""Examples for `widget_sessions`: given events, the rows that they leave."""

from uuid import UUID

from events.conversations import ConversationMessageReceived
from events.sessions import SessionIdentified, SessionStarted
from projections.sessions import projection
from tests.projections.given import CONVERSATION, LEAD, SESSION, at, only, rows_of
from tests.world import OTHER_VISITOR, VISITOR

STARTED = SessionStarted(session_id=SESSION, visitor_hash=VISITOR, referrer_url="https://a.example")


def message_received(number: int) -> ConversationMessageReceived:
    return ConversationMessageReceived(
        conversation_id=CONVERSATION,
        session_id=SESSION,
        message_id=UUID(int=100 + number),
        content="hi",
    )


def test_a_new_session_has_no_lead() -> None:
    rows = rows_of(projection, STARTED)
    assert only(rows, "visitor_id", "lead_id", "message_count", "converted_at") == [
        (VISITOR, None, 0, None)
    ]


def test_a_second_start_of_a_session_is_ignored() -> None:
    second = SessionStarted(session_id=SESSION, visitor_hash=OTHER_VISITOR)
    assert only(rows_of(projection, STARTED, second), "visitor_id") == [(VISITOR,)]


def test_messages_are_counted_and_the_last_activity_never_decreases() -> None:
    rows = rows_of(projection, STARTED, message_received(1), (message_received(2), at(1)))
    assert only(rows, "message_count", "last_activity_at") == [(2, at(2))]


def test_only_the_first_identification_sets_the_conversion_time() -> None:
    identified = SessionIdentified(session_id=SESSION, lead_id=LEAD)
    rows = rows_of(projection, STARTED, identified, identified)
    assert only(rows, "lead_id", "converted_at") == [(LEAD, at(2))]


def test_an_identified_session_that_retention_deleted_is_inserted_with_its_times() -> None:
    identified = SessionIdentified(session_id=SESSION, lead_id=LEAD)
    rows = rows_of(projection, identified)
    assert only(rows, "lead_id", "converted_at", "last_activity_at", "created_at") == [
        (LEAD, at(1), at(1), at(1))
    ]
