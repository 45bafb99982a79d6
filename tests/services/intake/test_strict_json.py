"""The JSON of producers is read as strictly as the bodies of HTTP, in both modes."""

from uuid import uuid4

import orjson
import pytest

from events.engagements import EngagementRecorded
from services.application.producer_record import read_producer_record
from services.application.raw_record import RawRecord
from services.application.rejection import RejectedRecord
from tests.json_texts import READ_TEXTS, REFUSED_TEXTS
from tests.services.intake.producer_records import (
    binary_headers,
    engagement_data,
    raw_record,
    structured_record,
)

PROPERTY = uuid4()
DATA = engagement_data(uuid4(), metadata="METADATA")
STRUCTURED_HEADERS = (("content-type", b"application/cloudevents+json"),)


def records_with(metadata: bytes) -> tuple[RawRecord, RawRecord]:
    """Return an engagement with these bytes as its metadata, in binary and structured mode."""
    document = structured_record("engagement.recorded", DATA, PROPERTY).value or b""
    binary, structured = (
        text.replace(b'"METADATA"', metadata) for text in (orjson.dumps(DATA), document)
    )
    headers = binary_headers("engagement.recorded", PROPERTY)
    return raw_record(binary, headers), raw_record(structured, STRUCTURED_HEADERS)


@pytest.mark.parametrize("kind", REFUSED_TEXTS)
def test_a_record_with_doubtful_json_is_malformed_in_both_modes(kind: str) -> None:
    for record in records_with(REFUSED_TEXTS[kind][0]):
        with pytest.raises(RejectedRecord) as rejected:
            read_producer_record(record)
        assert rejected.value.reason == "malformed"
        assert "JSON" in rejected.value.detail


@pytest.mark.parametrize("kind", READ_TEXTS)
def test_numbers_are_the_same_in_both_modes(kind: str) -> None:
    text, value = READ_TEXTS[kind]
    for record in records_with(text):
        event = read_producer_record(record).event
        assert isinstance(event, EngagementRecorded)
        read = event.metadata["a"]
        assert (read, type(read)) == (value, type(value))
