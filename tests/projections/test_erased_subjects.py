"""Examples for `erased_subjects`: given events, the rows that they leave."""

from events.leads import LeadErased
from projections.erased_subjects import projection
from tests.projections.given import CONVERSATION, LEAD, SESSION, at, event_id, only, rows_of

ERASED = LeadErased(
    lead_id=LEAD, reason="request", session_ids=(SESSION,), conversation_ids=(CONVERSATION,)
)


def test_a_lead_is_erased_with_its_sessions_and_conversations() -> None:
    rows = rows_of(projection, ERASED)
    assert {row["subject_id"] for row in rows} == {LEAD, SESSION, CONVERSATION}
    assert {(row["lead_id"], row["event_id"], row["erased_at"]) for row in rows} == {
        (LEAD, event_id(1), at(1))
    }


def test_a_subject_that_was_erased_before_keeps_its_first_erasure() -> None:
    again = LeadErased(lead_id=LEAD, reason="again", session_ids=(SESSION, CONVERSATION))
    rows = rows_of(projection, LeadErased(lead_id=LEAD, reason="request"), again)
    erasures = dict(only(rows, "subject_id", "event_id"))
    assert erasures == {LEAD: event_id(1), SESSION: event_id(2), CONVERSATION: event_id(2)}
