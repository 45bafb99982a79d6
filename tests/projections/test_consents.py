"""Examples for `lead_consents`: given events, the rows that they leave."""

from uuid import UUID

from events.consents import ConsentChannel, ConsentGiven, ConsentWithdrawn, consent_id
from events.operations import Retained, RetentionApplied
from projections.consents import projection
from tests.projections.given import AGENT, LEAD, NOON, PROPERTY, at, event_id, only, rows_of

SMS = ConsentChannel.SMS
STREAM = consent_id(LEAD, SMS)
GIVEN = ConsentGiven(
    consent_id=STREAM, lead_id=LEAD, channel=SMS, text="Text me", place="widget", at=NOON,
    recorded_by=AGENT,
)  # fmt: skip
WITHDRAWN = ConsentWithdrawn(
    consent_id=STREAM, lead_id=LEAD, channel=SMS, place="sms_reply", at=at(2), keyword="STOP"
)


def test_each_consent_and_withdrawal_is_a_row_with_its_evidence() -> None:
    rows = rows_of(projection, GIVEN, WITHDRAWN, GIVEN)
    evidence = only(rows, "id", "status", "version", "text", "place", "keyword", "recorded_by")
    assert evidence == [
        (event_id(1), "given", 1, "Text me", "widget", None, AGENT),
        (event_id(2), "withdrawn", 2, None, "sms_reply", "STOP", None),
        (event_id(3), "given", 3, "Text me", "widget", None, AGENT),
    ]
    assert only(rows, "lead_id", "channel", "said_at", "created_at") == [
        (LEAD, "sms", NOON, at(1)), (LEAD, "sms", at(2), at(2)), (LEAD, "sms", NOON, at(3)),
    ]  # fmt: skip


def test_retention_deletes_the_named_evidence_only() -> None:
    retention = RetentionApplied(
        property_id=PROPERTY, kind=Retained.CONSENT_EVIDENCE, cutoff=NOON,
        consent_ids=(event_id(1), UUID(int=99)),
    )  # fmt: skip
    assert only(rows_of(projection, GIVEN, WITHDRAWN, retention), "status") == [("withdrawn",)]
