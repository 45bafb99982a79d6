"""The decider of deliveries: recipient, consent and limits."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from events.consents import ConsentChannel, ConsentGiven, ConsentWithdrawn, consent_id
from events.deliveries import DeliveryPlanned, DeliveryPurpose, DeliverySkipped, MessageClass
from events.event import Event
from events.leads import LeadCaptured, LeadErased
from events.workflows import MessageChannel
from services.deciders.decider import Refused
from services.deciders.deliveries import PlanDelivery
from tests.services.deciders.given import given

MESSAGE, LEAD, ANN = uuid4(), uuid4(), uuid4()
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADA = LeadCaptured(lead_id=LEAD, email="ada@example.com", phone="+15125550123")
FIELDS: dict[str, Any] = {
    "delivery_id": MESSAGE, "lead_id": LEAD, "channel": MessageChannel.SMS,
    "purpose": DeliveryPurpose.MANUAL,
}  # fmt: skip


def plan(channel: str = "sms", body: str = "Hi", **more: Any) -> PlanDelivery:
    return PlanDelivery(
        MESSAGE, LEAD, MessageChannel(channel), DeliveryPurpose.MANUAL, NOON, body, **more
    )


def consent(is_given: bool, channel: str = "sms") -> Event:
    kind = ConsentGiven if is_given else ConsentWithdrawn
    consent_channel = ConsentChannel(channel)
    return kind(
        consent_id=consent_id(LEAD, consent_channel), lead_id=LEAD, channel=consent_channel,
        place="sms_reply", at=NOON,
    )  # fmt: skip


PLANNED = DeliveryPlanned(
    **FIELDS,
    due_at=NOON,
    recipient="+15125550123",
    body="Hi",
    message_class=MessageClass.CONVERSATIONAL,
)
SKIPPED = DeliverySkipped(**FIELDS, reason="no_consent", detail="withdrawn on 2026-03-01")


def test_a_message_goes_to_the_phone_number_or_the_address_of_the_lead() -> None:
    given(ADA).when(plan(subject="no use here")).then(PLANNED)
    email = FIELDS | {"channel": MessageChannel.EMAIL}
    given(ADA).when(plan("email", subject=" Your\r\n question ", requested_by=ANN)).then(
        DeliveryPlanned(
            **email, due_at=NOON, recipient="ada@example.com", subject="Your question", body="Hi",
            requested_by=ANN, message_class=MessageClass.CONVERSATIONAL,
        )
    )  # fmt: skip


def test_a_delivery_is_planned_once() -> None:
    given(ADA, PLANNED).when(plan()).then()


def test_a_message_without_consent_is_skipped_with_the_reason() -> None:
    given(ADA, consent(False)).when(plan()).then(PLANNED, SKIPPED)
    given(ADA, consent(False), consent(True)).when(plan()).then(PLANNED)


def test_a_consent_is_for_one_channel() -> None:
    assert consent_id(LEAD, ConsentChannel.SMS) != consent_id(LEAD, ConsentChannel.EMAIL)


@pytest.mark.parametrize(
    "lead",
    [
        LeadCaptured(lead_id=LEAD), LeadCaptured(lead_id=LEAD, phone="555-0123"),
        LeadCaptured(lead_id=LEAD, phone=""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("channel", ["sms", "email"])
def test_a_lead_without_a_recipient_is_refused(lead: LeadCaptured, channel: str) -> None:
    given(lead).when(plan(channel)).refused("no_recipient", 400)
    given(ADA, LeadErased(lead_id=LEAD, reason="request")).when(plan(channel)).refused(
        "no_recipient", 400
    )


@pytest.mark.parametrize(("channel", "missing"), [
    ("sms", "complete phone number"), ("email", "e-mail address"),
])  # fmt: skip
def test_the_refusal_names_the_missing_contact(channel: str, missing: str) -> None:
    with pytest.raises(Refused, match=f"the lead has no {missing} to send to"):
        _ = given(LeadCaptured(lead_id=LEAD)).when(plan(channel)).events


def test_an_empty_or_too_long_message_is_refused() -> None:
    given(ADA).when(plan(body=" \n")).refused("no_message", 400)
    given(ADA).when(plan(body="x" * 1_601)).refused("message_too_long", 400)
    assert given(ADA).when(plan(body="x" * 1_600)).events
    given().when(plan()).refused("unknown_subject", 404)
