"""`widget_sessions` by example."""

from uuid import UUID

from events.chat import ConversationMessageReceived, SessionIdentified, SessionStarted
from projections.sessions import projection
from tests.projections.given import LEAD, SESSION, TALK, at, only, rows_of

STARTED = SessionStarted(session_id=SESSION, visitor_id="v_1", referrer_url="https://a.example")


def said(number: int) -> ConversationMessageReceived:
    return ConversationMessageReceived(
        conversation_id=TALK, session_id=SESSION, message_id=UUID(int=100 + number), content="hi"
    )


def test_a_visit_is_a_row_of_nobody_yet() -> None:
    rows = rows_of(projection, STARTED)
    assert only(rows, "visitor_id", "lead_id", "message_count", "converted_at") == [
        ("v_1", None, 0, None)
    ]


def test_a_visit_reported_twice_is_one() -> None:
    again = SessionStarted(session_id=SESSION, visitor_id="other")
    assert only(rows_of(projection, STARTED, again), "visitor_id") == [("v_1",)]


def test_messages_are_counted_and_activity_never_goes_back() -> None:
    rows = rows_of(projection, STARTED, said(1), (said(2), at(1)))
    assert only(rows, "message_count", "last_activity_at") == [(2, at(2))]


def test_a_visitor_converts_once() -> None:
    known = SessionIdentified(session_id=SESSION, lead_id=LEAD)
    rows = rows_of(projection, STARTED, known, known)
    assert only(rows, "lead_id", "converted_at") == [(LEAD, at(2))]
