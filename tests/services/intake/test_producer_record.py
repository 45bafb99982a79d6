"""Reading what producers send, without asking anybody."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import orjson
import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.v1.event import CloudEvent

from services.intake.producer_record import read_sent
from services.intake.raw_record import Received, headers_of, storable
from services.intake.rejection import Refused
from tests.services.intake.dead_letters import NOW_MS, binary, opened, received, structured

HOME = uuid4()


def event() -> CloudEvent:
    """As the public library makes them."""
    said = {
        "id": "e-1", "source": "/library", "type": "engagement.recorded", "specversion": "1.0",
        "time": datetime(2026, 3, 1, 12, tzinfo=UTC), "propertyid": str(HOME),
        "datacontenttype": "application/json",
    }  # fmt: skip
    return CloudEvent(said, opened(uuid4()))


def from_library(message: kafka.KafkaMessage) -> Received:
    return received(message.value, tuple(message.headers.items()))


def test_both_modes_of_the_public_library_say_the_same() -> None:
    one = event()
    binary_sent = read_sent(from_library(kafka.to_binary_event(one)))
    structured_sent = read_sent(from_library(kafka.to_structured_event(one)))
    assert binary_sent.event == structured_sent.event
    assert binary_sent.occurred_at == structured_sent.occurred_at == one.get_time()
    assert (binary_sent.source, binary_sent.ce_id) == ("/library", "e-1")


def test_a_value_without_any_header_is_read_as_structured() -> None:
    record = structured("engagement.recorded", opened(uuid4()), HOME)
    assert read_sent(received(record.value)).property_id == HOME


def test_what_the_event_does_not_say_the_record_does() -> None:
    sent = read_sent(binary("engagement.recorded", opened(uuid4()), HOME))
    assert sent.occurred_at == datetime.fromtimestamp(NOW_MS / 1000, UTC)
    assert sent.cause.actor == "producer:/test"
    inside = {**opened(uuid4()), "property_id": str(HOME)}
    headers = tuple(
        pair for pair in binary("engagement.recorded", {}, HOME).headers
        if pair[0] != "ce_propertyid"
    )  # fmt: skip
    assert read_sent(received(orjson.dumps(inside), headers)).property_id == HOME


def test_extensions_say_who_and_why() -> None:
    correlation, causation = uuid4(), uuid4()
    sent = read_sent(
        binary(
            "engagement.recorded", opened(uuid4()), HOME, correlationid=str(correlation),
            causationid=str(causation), actor="user:7", time="2026-03-01t12:00:00z",
        )
    )  # fmt: skip
    assert (sent.cause.correlation_id, sent.cause.causation_id) == (correlation, causation)
    assert sent.cause.actor == "producer:/test for user:7", "a producer cannot be somebody else"


@pytest.mark.parametrize(
    ("name", "more", "reason"),
    [
        ("engagement.recorded", {"specversion": "0.3"}, "malformed"),
        ("engagement.recorded", {"schemaversion": "2"}, "unknown_version"),
        ("engagement.recorded", {"schemaversion": "one"}, "malformed"),
        ("engagement.recorded", {"time": "2026-03-01T12:00:00"}, "malformed"),
        ("engagement.recorded", {"correlationid": "7"}, "malformed"),
        ("lead.vanished", {}, "unknown_type"),
        ("lead.imported", {}, "invalid"),
        ("score.due", {}, "invalid"),
    ],
)
def test_each_fault_has_its_reason(name: str, more: dict[str, str], reason: str) -> None:
    with pytest.raises(Refused) as refused:
        read_sent(binary(name, opened(uuid4()), HOME, **more))
    assert refused.value.reason == reason
    assert refused.value.detail


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("score.due", {"lead_id": str(uuid4()), "due_at": "2026-01-01T00:00:00Z"}),
        ("engagement.recorded", opened(uuid4(), event_type="tour_completed")),
        ("activity.recorded", {"activity_id": str(uuid4()), "lead_id": str(uuid4()),
                               "type": "tour_booked"}),
    ],
)  # fmt: skip
def test_what_only_the_core_says_is_refused(name: str, data: dict[str, object]) -> None:
    with pytest.raises(Refused) as refused:
        read_sent(binary(name, data, HOME))
    assert refused.value.reason == "not_for_producers"


def test_a_record_is_kept_byte_for_byte() -> None:
    record = received(b"\x00\xff", (("a", None), ("b", b"\xff"), ("b", b"")), key=b"\x00")
    kept = record.kept_headers()
    assert headers_of(orjson.loads(orjson.dumps(kept))) == record.headers
    again = replace(record, headers=headers_of(kept))
    assert again.id == record.id


def test_texts_are_made_storable() -> None:
    assert storable("a\x00b\ud800c" + "d" * 5_000, 10).encode().decode().count("\x00") == 0
