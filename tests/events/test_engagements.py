"""Engagement: the vocabulary, the weights, and what producers may send."""

from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from events.catalog import decode, decode_sent, why_not_from_producer
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


def sent(**fields: Any) -> dict[str, Any]:
    ids = {"engagement_id": str(UUID(int=1)), "lead_id": str(UUID(int=2))}
    return {**ids, "event_type": "email_opened", **fields}


def test_the_weights_are_those_of_the_domain() -> None:
    assert WEIGHTS == ENGAGEMENT_WEIGHTS
    assert set(EngagementType) == ENGAGEMENT_WEIGHTS.keys()


@pytest.mark.parametrize("kind", EngagementType)
def test_a_producer_may_leave_the_weight_to_the_core(kind: EngagementType) -> None:
    event = decode_sent("engagement.recorded", 1, sent(event_type=kind.value))
    assert isinstance(event, EngagementRecorded)
    assert event.score_weight == WEIGHTS[kind]
    assert "score_weight" in event.model_fields_set


def test_a_weight_that_was_sent_is_kept() -> None:
    event = decode_sent("engagement.recorded", 1, sent(score_weight=4))
    assert isinstance(event, EngagementRecorded)
    assert event.score_weight == 4


def test_the_log_is_never_asked_to_guess_a_weight() -> None:
    with pytest.raises(ValidationError, match="score_weight"):
        decode("engagement.recorded", 1, sent())


@pytest.mark.parametrize("kind", ["email_eaten", None, 7, [], {}], ids=repr)
def test_an_unknown_kind_is_refused(kind: object) -> None:
    with pytest.raises(ValidationError, match="event_type"):
        decode_sent("engagement.recorded", 1, sent(event_type=kind))


@pytest.mark.parametrize("kind", EngagementType)
def test_tours_and_chats_are_derived_never_sent(kind: EngagementType) -> None:
    event = decode_sent("engagement.recorded", 1, sent(event_type=kind.value))
    refused = why_not_from_producer(event) is not None
    assert refused == kind.startswith(("tour_", "chat_"))


@pytest.mark.parametrize(("kind", "taken"), [("call_made", True), ("tour_completed", False)])
def test_an_activity_that_follows_from_another_event_is_not_taken(kind: str, taken: bool) -> None:
    ids = {"activity_id": str(UUID(int=1)), "lead_id": str(UUID(int=2))}
    event = decode_sent("activity.recorded", 1, {**ids, "type": kind})
    assert (why_not_from_producer(event) is None) == taken
