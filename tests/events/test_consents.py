"""Consents: one stream per lead and channel."""

from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from events.codec import decode_from_producer
from events.consents import ConsentChannel, consent_id

LEAD = UUID(int=7)


def payload(**fields: Any) -> dict[str, Any]:
    """Return the payload of a producer, without the stream id."""
    required = {"lead_id": str(LEAD), "channel": "sms", "place": "widget"}
    return {**required, "at": "2026-11-22T10:00:00Z", **fields}


def test_the_stream_id_is_derived_from_lead_and_channel() -> None:
    event = decode_from_producer("consent.given", 1, payload())
    assert event.stream_id == consent_id(LEAD, ConsentChannel.SMS)
    assert decode_from_producer("consent.withdrawn", 1, payload()).stream_id == event.stream_id
    assert (
        decode_from_producer("consent.given", 1, payload(channel="email")).stream_id
        != event.stream_id
    )


def test_the_stream_id_never_changes() -> None:
    assert str(consent_id(LEAD, ConsentChannel.SMS)) == "20f5eb21-a4c7-54b8-9d58-81cbae4e51bd"


def test_another_stream_id_is_refused() -> None:
    with pytest.raises(ValidationError, match="omit consent_id"):
        decode_from_producer("consent.given", 1, payload(consent_id=str(LEAD)))


@pytest.mark.parametrize(
    "invalid", [{"channel": "fax"}, {"lead_id": "x"}, {"lead_id": 7}], ids=repr
)
def test_a_payload_with_an_invalid_lead_or_channel_is_refused(invalid: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        decode_from_producer("consent.given", 1, payload(**invalid))
