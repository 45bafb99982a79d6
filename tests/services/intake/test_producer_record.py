"""Reading of producer records, without the database."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.v1.event import CloudEvent

from events.engagements import EngagementRecorded
from services.application.producer_record import read_producer_record
from services.application.raw_record import RawRecord, storable
from services.application.rejection import RejectedRecord
from tests.services.intake.producer_records import (
    NOW_MS,
    binary_record,
    engagement_data,
    raw_record,
    structured_record,
)

PROPERTY_ID = uuid4()
LEAD_ID = uuid4()
DATA = engagement_data(LEAD_ID)


def event() -> CloudEvent:
    """Return an event made by the public CloudEvents library."""
    attributes = {
        "id": "e-1", "source": "/library", "type": "engagement.recorded", "specversion": "1.0",
        "time": datetime(2026, 3, 1, 12, tzinfo=UTC), "propertyid": str(PROPERTY_ID),
        "datacontenttype": "application/json",
    }  # fmt: skip
    return CloudEvent(attributes, DATA)


def from_library(message: kafka.KafkaMessage) -> RawRecord:
    return raw_record(message.value, tuple(message.headers.items()))


def test_both_modes_of_the_public_library_give_the_same_event() -> None:
    cloud_event = event()
    binary = read_producer_record(from_library(kafka.to_binary_event(cloud_event)))
    structured = read_producer_record(from_library(kafka.to_structured_event(cloud_event)))
    for read in (binary, structured):
        assert isinstance(read.event, EngagementRecorded)
        assert read.event.lead_id == LEAD_ID
        assert str(read.event.engagement_id) == DATA["engagement_id"]
        assert read.event.event_type == "email_opened"
        assert (read.source, read.ce_id, read.property_id) == ("/library", "e-1", PROPERTY_ID)
        assert read.occurred_at == datetime(2026, 3, 1, 12, tzinfo=UTC)
        assert read.cause.actor == "producer:/library"
    assert binary.event == structured.event


def test_a_record_without_headers_is_read_in_structured_mode() -> None:
    record = structured_record("engagement.recorded", DATA, PROPERTY_ID)
    without_headers = read_producer_record(raw_record(record.value))
    assert without_headers.property_id == PROPERTY_ID
    assert without_headers.event == read_producer_record(record).event


def test_missing_attributes_are_taken_from_the_kafka_record_and_the_data() -> None:
    sent = read_producer_record(binary_record("engagement.recorded", DATA, PROPERTY_ID))
    assert sent.occurred_at == datetime.fromtimestamp(NOW_MS / 1000, UTC)
    assert sent.cause.actor == "producer:/test"
    inside = {**DATA, "property_id": str(PROPERTY_ID)}
    headers = tuple(
        pair for pair in binary_record("engagement.recorded", {}, PROPERTY_ID).headers
        if pair[0] != "ce_propertyid"
    )  # fmt: skip
    assert (
        read_producer_record(raw_record(orjson.dumps(inside), headers)).property_id == PROPERTY_ID
    )


def test_extensions_give_actor_correlation_and_causation() -> None:
    correlation, causation = uuid4(), uuid4()
    sent = read_producer_record(
        binary_record(
            "engagement.recorded", DATA, PROPERTY_ID, correlationid=str(correlation),
            causationid=str(causation), actor="user:7", time="2026-03-01t12:00:00z",
        )
    )  # fmt: skip
    assert (sent.cause.correlation_id, sent.cause.causation_id) == (correlation, causation)
    assert sent.cause.actor == "producer:/test", "a producer cannot be somebody else"
    assert sent.principal == "user:7"


@pytest.mark.parametrize(
    ("name", "attributes", "reason", "detail"),
    [
        ("engagement.recorded", {"specversion": "0.3"}, "malformed", "specversion is '0.3'"),
        ("engagement.recorded", {"schemaversion": "2"}, "unknown_version", "version 2"),
        ("engagement.recorded", {"schemaversion": "one"}, "malformed", "schemaversion"),
        ("engagement.recorded", {"time": "2026-03-01T12:00:00"}, "malformed", "time has no"),
        ("engagement.recorded", {"time": "yesterday"}, "malformed", "time is not"),
        ("engagement.recorded", {"correlationid": "7"}, "malformed", "correlationid is not a UUID"),
        ("engagement.recorded", {"actor": ""}, "malformed", "actor"),
        ("lead.vanished", {}, "unknown_type", "lead.vanished"),
        ("lead.imported", {}, "invalid", "lead.imported: "),
        ("score.due", {}, "invalid", "score.due: "),
    ],
)
def test_each_kind_of_wrong_record_is_rejected_with_its_reason(
    name: str, attributes: dict[str, str], reason: str, detail: str
) -> None:
    with pytest.raises(RejectedRecord) as rejected:
        read_producer_record(binary_record(name, DATA, PROPERTY_ID, **attributes))
    assert rejected.value.reason == reason
    assert detail in rejected.value.detail
    assert str(LEAD_ID) not in rejected.value.detail, "a detail repeats no data"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("score.due", {"lead_id": str(uuid4()), "due_at": "2026-01-01T00:00:00Z"}),
        ("engagement.recorded", engagement_data(uuid4(), event_type="tour_completed")),
        ("activity.recorded", {"activity_id": str(uuid4()), "lead_id": str(uuid4()),
                               "type": "tour_booked"}),
    ],
)  # fmt: skip
def test_an_event_that_only_the_core_writes_is_rejected(name: str, data: dict[str, object]) -> None:
    with pytest.raises(RejectedRecord) as rejected:
        read_producer_record(binary_record(name, data, PROPERTY_ID))
    assert rejected.value.reason == "not_for_producers"


@pytest.mark.parametrize(
    "change", [{"offset": 10**6}, {"value": b"other"}, {"key": None}, {"timestamp": 0}], ids=str
)
def test_another_record_has_another_id(change: dict[str, Any]) -> None:
    """A broker that lost its data uses the same offsets again, for other content."""
    record = raw_record(b"value", key=b"key")
    assert replace(record, **change).id != record.id


def test_a_stored_text_has_no_nul_and_no_lone_surrogate_and_is_shortened() -> None:
    assert storable("a\x00b\ud800c" + "d" * 5_000, 8) == "a\N{SYMBOL FOR NULL}b?cddd"
    assert storable("Zoë \U0001f600") == "Zoë \U0001f600"
