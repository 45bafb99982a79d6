"""Deliveries: a message needs somebody to go to, who has not said that they want none."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from events.consents import ConsentChannel, ConsentGiven, ConsentWithdrawn, consent_id
from events.deliveries import DeliveryPlanned, DeliveryPurpose, DeliverySkipped
from events.event import Event
from events.leads import LeadCaptured, LeadErased
from events.workflows import MessageChannel
from services.deciders.deliveries import PlanDelivery
from tests.services.deciders.given import given

MESSAGE, LEAD, ANN = uuid4(), uuid4(), uuid4()
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADA = LeadCaptured(lead_id=LEAD, email="ada@example.com", phone="+15125550123")
WHO: dict[str, Any] = {
    "delivery_id": MESSAGE, "lead_id": LEAD, "channel": MessageChannel.SMS,
    "purpose": DeliveryPurpose.MANUAL,
}  # fmt: skip


def plan(channel: str = "sms", body: str = "Hi", **more: Any) -> PlanDelivery:
    return PlanDelivery(
        MESSAGE, LEAD, MessageChannel(channel), DeliveryPurpose.MANUAL, NOON, body, **more
    )


def consent(given_: bool, channel: str = "sms") -> Event:
    kind = ConsentGiven if given_ else ConsentWithdrawn
    of = ConsentChannel(channel)
    return kind(consent_id=consent_id(LEAD, of), lead_id=LEAD, channel=of, place="sms_reply",
                at=NOON)  # fmt: skip


PLANNED = DeliveryPlanned(**WHO, due_at=NOON, recipient="+15125550123", body="Hi")
SKIPPED = DeliverySkipped(**WHO, reason="no_consent", detail="withdrawn on 2026-03-01")


def test_a_message_goes_to_the_lead_s_number_or_address() -> None:
    given(ADA).when(plan(subject="no use here")).then(PLANNED)
    said = WHO | {"channel": MessageChannel.EMAIL}
    given(ADA).when(plan("email", subject=" Your\r\n question ", requested_by=ANN)).then(
        DeliveryPlanned(
            **said, due_at=NOON, recipient="ada@example.com", subject="Your question", body="Hi",
            requested_by=ANN,
        )
    )  # fmt: skip


def test_planned_twice_it_is_one() -> None:
    given(ADA, PLANNED).when(plan()).then()


def test_what_is_not_sent_has_a_reason() -> None:
    given(ADA, consent(False)).when(plan()).then(PLANNED, SKIPPED)
    given(ADA, consent(False), consent(True)).when(plan()).then(PLANNED)


def test_consent_is_of_a_channel() -> None:
    assert consent_id(LEAD, ConsentChannel.SMS) != consent_id(LEAD, ConsentChannel.EMAIL)


@pytest.mark.parametrize(
    "lead",
    [
        LeadCaptured(lead_id=LEAD), LeadCaptured(lead_id=LEAD, phone="555-0123"),
        LeadCaptured(lead_id=LEAD, phone=""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("channel", ["sms", "email"])
def test_somebody_who_cannot_be_reached_gets_nothing(lead: LeadCaptured, channel: str) -> None:
    given(lead).when(plan(channel)).refused("no_recipient", 400)
    given(ADA, LeadErased(lead_id=LEAD)).when(plan(channel)).refused("no_recipient", 400)


def test_what_is_no_message_is_refused() -> None:
    given(ADA).when(plan(body=" \n")).refused("no_message", 400)
    given(ADA).when(plan(body="x" * 1_601)).refused("message_too_long", 400)
    given().when(plan()).refused("unknown_subject", 404)
