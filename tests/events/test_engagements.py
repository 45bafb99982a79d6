"""Engagements: kinds, score weights, and what producers may send."""

from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from events.catalog import producer_objection
from events.codec import decode, decode_from_producer
from events.engagements import ENGAGEMENT_WEIGHTS, EngagementRecorded, EngagementType

WEIGHTS = {
    "chat_started": 5,
    "chat_message_sent": 3,
    "email_opened": 8,
    "email_clicked": 15,
    "sms_replied": 20,
    "tour_scheduled": 25,
    "tour_completed": 35,
    "tour_no_show": -25,
    "application_started": 30,
    "application_submitted": 40,
    "document_viewed": 10,
    "price_check": 12,
    "unit_favorited": 15,
    "repeat_visit": 10,
    "call_inbound": 20,
    "call_outbound_answered": 18,
    "website_lead_submitted": 10,
}


def payload(**fields: Any) -> dict[str, Any]:
    """Return the payload of a producer, without the score weight."""
    ids = {"engagement_id": str(UUID(int=1)), "lead_id": str(UUID(int=2))}
    return {**ids, "event_type": "email_opened", **fields}


def test_the_default_weights_are_those_of_the_specification() -> None:
    assert WEIGHTS == ENGAGEMENT_WEIGHTS
    assert set(EngagementType) == ENGAGEMENT_WEIGHTS.keys()


@pytest.mark.parametrize("kind", EngagementType)
def test_an_omitted_weight_is_the_default_weight(kind: EngagementType) -> None:
    event = decode_from_producer("engagement.recorded", 1, payload(event_type=kind.value))
    assert isinstance(event, EngagementRecorded)
    assert event.score_weight == WEIGHTS[kind]
    assert "score_weight" in event.model_fields_set


def test_a_given_weight_is_kept() -> None:
    event = decode_from_producer("engagement.recorded", 1, payload(score_weight=4))
    assert isinstance(event, EngagementRecorded)
    assert event.score_weight == 4


def test_a_stored_payload_without_a_weight_is_refused() -> None:
    with pytest.raises(ValidationError, match="score_weight"):
        decode("engagement.recorded", 1, payload())


@pytest.mark.parametrize("kind", ["email_eaten", None, 7, [], {}], ids=repr)
def test_an_unknown_kind_is_refused(kind: object) -> None:
    with pytest.raises(ValidationError, match="event_type"):
        decode_from_producer("engagement.recorded", 1, payload(event_type=kind))


@pytest.mark.parametrize("kind", EngagementType)
def test_producers_may_not_send_engagements_of_tours_and_chats(kind: EngagementType) -> None:
    event = decode_from_producer("engagement.recorded", 1, payload(event_type=kind.value))
    is_refused = producer_objection(event) is not None
    assert is_refused == kind.startswith(("tour_", "chat_"))
