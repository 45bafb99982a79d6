"""`lead_consents` by example."""

from uuid import UUID

from events.consents import ConsentChannel, ConsentGiven, ConsentWithdrawn, consent_id
from events.operations import Retained, RetentionApplied
from projections.consents import projection
from tests.projections.given import AGENT, HOUSE, LEAD, NOON, at, event_id, only, rows_of

SMS = ConsentChannel.SMS
STREAM = consent_id(LEAD, SMS)
GIVEN = ConsentGiven(
    consent_id=STREAM, lead_id=LEAD, channel=SMS, text="Text me", place="widget", at=NOON,
    recorded_by=AGENT,
)  # fmt: skip
WITHDRAWN = ConsentWithdrawn(
    consent_id=STREAM, lead_id=LEAD, channel=SMS, place="sms_reply", at=at(2), keyword="STOP"
)


def test_each_time_it_was_said_is_a_row_with_its_evidence() -> None:
    rows = rows_of(projection, GIVEN, WITHDRAWN, GIVEN)
    said = only(rows, "id", "status", "version", "text", "place", "keyword", "recorded_by")
    assert said == [
        (event_id(1), "given", 1, "Text me", "widget", None, AGENT),
        (event_id(2), "withdrawn", 2, None, "sms_reply", "STOP", None),
        (event_id(3), "given", 3, "Text me", "widget", None, AGENT),
    ]
    assert only(rows, "lead_id", "channel", "said_at", "created_at") == [
        (LEAD, "sms", NOON, at(1)), (LEAD, "sms", at(2), at(2)), (LEAD, "sms", NOON, at(3)),
    ]  # fmt: skip


def test_evidence_that_is_named_goes_and_no_other() -> None:
    gone = RetentionApplied(
        property_id=HOUSE, kind=Retained.CONSENT_EVIDENCE, cutoff=NOON,
        consent_ids=(event_id(1), UUID(int=99)),
    )  # fmt: skip
    assert only(rows_of(projection, GIVEN, WITHDRAWN, gone), "status") == [("withdrawn",)]
