"""Consent: one stream per lead and channel."""

from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from events.catalog import decode_sent
from events.consents import ConsentChannel, consent_id

LEAD = UUID(int=7)


def sent(**fields: Any) -> dict[str, Any]:
    said = {"lead_id": str(LEAD), "channel": "sms", "place": "widget"}
    return {**said, "at": "2026-11-22T10:00:00Z", **fields}


def test_the_stream_is_that_of_lead_and_channel() -> None:
    event = decode_sent("consent.given", 1, sent())
    assert event.stream_id == consent_id(LEAD, ConsentChannel.SMS)
    assert decode_sent("consent.withdrawn", 1, sent()).stream_id == event.stream_id
    assert decode_sent("consent.given", 1, sent(channel="email")).stream_id != event.stream_id


def test_the_stream_id_never_changes() -> None:
    assert str(consent_id(LEAD, ConsentChannel.SMS)) == "20f5eb21-a4c7-54b8-9d58-81cbae4e51bd"


def test_another_stream_is_refused() -> None:
    with pytest.raises(ValidationError, match="leave it out"):
        decode_sent("consent.given", 1, sent(consent_id=str(LEAD)))


@pytest.mark.parametrize("bad", [{"channel": "fax"}, {"lead_id": "x"}, {"lead_id": 7}], ids=repr)
def test_what_has_no_stream_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        decode_sent("consent.given", 1, sent(**bad))
