"""Callbacks of the SMS provider over HTTP: reports about deliveries, and SMS of persons."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.deliveries import (
    DeliveryChannel,
    DeliveryClaimed,
    DeliveryHandedOver,
    DeliveryPlanned,
    DeliveryPurpose,
    DeliveryReleased,
    DeliveryUnknown,
    MessageClass,
)
from events.event import Event
from services.runtime.settings import Settings
from tests.services.api.site import Site, create_second_property
from tests.services.api.sms_callbacks import PHONE, open_sms_site, send_sms, send_status
from tests.stored_events import read_stored_events

HELP = (
    "Alder 0: you get messages about your visit. An agent will answer you. "
    "Reply STOP to get no more."
)


@pytest.fixture
async def site(settings: Settings, pool: asyncpg.Pool) -> AsyncIterator[Site]:
    async with open_sms_site(settings, pool) as opened:
        yield opened


async def read_events(site: Site, *names: str) -> list[dict[str, Any]]:
    """Return property, lead and payload of all events with these names, in the order of the log."""
    return await read_stored_events(site.world.pool, "event_type = ANY($1::text[])", list(names))


async def plan(
    site: Site, lead: UUID, *states: type[Event], kind: MessageClass = MessageClass.MARKETING
) -> UUID:
    """Append a planned SMS to a lead, and events with which it reaches another state."""
    delivery_id, now = uuid4(), datetime.now(UTC)
    same: dict[str, Any] = {
        "delivery_id": delivery_id, "lead_id": lead, "channel": DeliveryChannel.SMS,
        "purpose": DeliveryPurpose.WORKFLOW,
    }  # fmt: skip
    more: dict[type[Event], dict[str, Any]] = {
        DeliveryClaimed: {"attempt": 1, "provider": "twilio", "lease_until": now},
        DeliveryReleased: {"attempt": 1, "reason": "busy", "next_attempt_at": now},
        DeliveryHandedOver: {"attempt": 1, "provider": "twilio", "simulated": False},
        DeliveryUnknown: {"attempt": 1},
    }
    planned = DeliveryPlanned(**same, due_at=now, recipient=PHONE, body="Hi", message_class=kind)
    events = [planned, *(state(**same, **more[state]) for state in states)]
    await site.world.append(*(
        site.world.new(event, at=now + timedelta(microseconds=number))
        for number, event in enumerate(events)
    ))  # fmt: skip
    return delivery_id


async def create_leads(site: Site) -> tuple[UUID, UUID, UUID]:
    """Create leads with one number: two in the first property, one in the second."""
    second = await create_second_property(site.world)
    first = await site.create_lead(phone=PHONE)
    family = await site.create_lead(phone="(212) 555-0123")
    other = await site.create_lead(phone=PHONE, propertyId=str(second))
    await site.project()
    return first, family, other


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        (["sent", "delivered"], ["delivery.delivered"]),
        (["delivered", "sent", "queued"], ["delivery.delivered"]),
        (["delivered", "delivered", "undelivered"], ["delivery.delivered"]),
        (["undelivered", "delivered"], ["delivery.failed"]),
        (["read"], ["delivery.delivered"]),
        (["failed", "failed"], ["delivery.failed"]),
        (["queued", "sent", "unheard-of", ""], []),
    ],
)
async def test_reports_in_any_order_settle_a_delivery_once(
    site: Site, statuses: list[str], outcome: list[str]
) -> None:
    lead = await site.create_lead(phone=PHONE)
    delivery_id = await plan(site, lead, DeliveryClaimed, DeliveryHandedOver)
    for status in statuses:
        assert (await send_status(site, delivery_id, status)).status_code == 200
    events = await read_events(site, "delivery.delivered", "delivery.failed", "delivery.reconciled")
    assert [event["event_type"] for event in events] == outcome
    assert all(event["payload"]["external_id"] == "SM9" for event in events)
    await site.project()


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("sent", "delivered"), ("delivered", "delivered"), ("failed", "failed"), ("x", None)],
)
async def test_a_report_settles_an_unknown_hand_over(
    site: Site, status: str, outcome: str | None
) -> None:
    lead = await site.create_lead(phone=PHONE)
    delivery_id = await plan(site, lead, DeliveryClaimed, DeliveryUnknown)
    await send_status(site, delivery_id, status, ErrorCode="30003")
    events = await read_events(site, "delivery.reconciled")
    assert [event["payload"]["outcome"] for event in events] == ([outcome] if outcome else [])


async def test_a_report_before_the_answer_to_the_request_counts(site: Site) -> None:
    lead = await site.create_lead(phone=PHONE)
    delivery_id = await plan(site, lead, DeliveryClaimed, DeliveryReleased)
    await send_status(site, delivery_id, "delivered")
    names = [e["event_type"] for e in await read_events(
        site, "delivery.handed_over", "delivery.delivered"
    )]  # fmt: skip
    assert names == ["delivery.handed_over", "delivery.delivered"]


@pytest.mark.parametrize(
    ("error", "code"), [("21610", "opted_out"), ("30003", "twilio_30003"), ("", "failed")]
)
async def test_a_failure_has_a_code_and_a_reason(site: Site, error: str, code: str) -> None:
    lead = await site.create_lead(phone=PHONE)
    delivery_id = await plan(site, lead, DeliveryClaimed, DeliveryHandedOver)
    await send_status(site, delivery_id, "undelivered", ErrorCode=error)
    (event,) = await read_events(site, "delivery.failed")
    assert event["payload"]["code"] == code
    assert event["payload"]["reason"].startswith("the provider reported undelivered")


async def test_stop_withdraws_consent_of_every_lead_of_the_organisation(site: Site) -> None:
    leads = await create_leads(site)
    await send_sms(site, " Stop! ", sid="SM5")
    events = await read_events(site, "consent.withdrawn")
    assert {event["lead_id"] for event in events} == set(leads)
    assert len({event["property_id"] for event in events}) == 2
    for event in events:
        payload = event["payload"]
        assert (payload["channel"], payload["place"]) == ("sms", "sms_reply")
        assert (payload["keyword"], payload["text"], payload["source"]) == (
            "STOP",
            " Stop! ",
            "SM5",
        )
    await site.project()
    rows = await site.world.pool.fetch("SELECT lead_id, status, source FROM lead_consents")
    assert {(row["lead_id"], row["status"], row["source"]) for row in rows} == {
        (lead, "withdrawn", "SM5") for lead in leads
    }


async def test_stop_acts_before_the_tables_know_the_lead(site: Site) -> None:
    lead = await site.create_lead(phone=PHONE)
    await send_sms(site, "STOP")
    assert [event["lead_id"] for event in await read_events(site, "consent.withdrawn")] == [lead]


async def test_stop_from_the_number_of_a_merged_lead_acts_on_the_winner(site: Site) -> None:
    loser, winner = await site.create_lead(phone=PHONE), await site.create_lead()
    body = {"intoLeadId": str(winner)}
    response = await site.client.post(
        f"/api/leads/{loser}/merge", json=body, headers=site.console_headers()
    )
    assert response.status_code == 200, response.text
    await send_sms(site, "STOP")
    assert [event["lead_id"] for event in await read_events(site, "consent.withdrawn")] == [winner]


async def test_start_gives_consent_again(site: Site) -> None:
    leads = await create_leads(site)
    await send_sms(site, "STOP", sid="SM1")
    await send_sms(site, "start", sid="SM2")
    events = await read_events(site, "consent.given")
    assert {event["lead_id"] for event in events} == set(leads)


async def test_a_repeated_callback_changes_nothing(site: Site) -> None:
    await create_leads(site)
    for text in ("STOP", "Do you take dogs?"):
        await send_sms(site, text, sid=text)
    before = await site.read_event_types()
    for text in ("STOP", "Do you take dogs?"):
        await send_sms(site, text, sid=text)
    assert await site.read_event_types() == before


async def test_a_message_belongs_to_the_lead_that_got_the_last_sms(site: Site) -> None:
    first, *_ = await create_leads(site)
    await plan(site, first, DeliveryClaimed, DeliveryHandedOver)
    await send_sms(site, "Do you take dogs?")
    (message,) = await read_events(site, "conversation.message_received")
    assert message["lead_id"] == first
    assert message["payload"]["content"] == "Do you take dogs?"
    await send_sms(site, "And cats?", sid="SM2")
    started = await read_events(site, "conversation.started")
    assert [event["payload"]["channel"] for event in started] == ["sms"]
    await site.project()
    rows = await site.world.pool.fetch(
        "SELECT lead_id, type FROM lead_activities "
        "WHERE type IN ('message_received', 'chat_started')"
    )
    assert [tuple(row) for row in rows] == [(first, "message_received")] * 2
    kinds = await site.world.pool.fetch(
        "SELECT event_type, score_weight FROM lead_engagement_events WHERE lead_id = $1", first
    )
    assert [tuple(row) for row in kinds] == [("sms_replied", 20)] * 2
    waiting = await read_events(site, "conversation.waiting")
    assert [event["payload"]["reason"] for event in waiting] == ["sms_received"]


async def test_an_agents_answer_to_an_sms_is_sent_once_and_not_after_stop(site: Site) -> None:
    lead = await site.create_lead(phone=PHONE)
    await send_sms(site, "Do you take dogs?")
    (message,) = await read_events(site, "conversation.message_received")
    url = f"/api/conversations/{message['payload']['conversation_id']}"
    headers = site.console_headers()
    assert (await site.client.post(f"{url}/takeover", headers=headers)).status_code == 200
    answer = {"content": "Yes, two of them.", "messageId": str(uuid4())}
    for _ in range(2):
        response = await site.client.post(f"{url}/messages", json=answer, headers=headers)
        assert response.status_code == 201, response.text
    (planned,) = await read_events(site, "delivery.planned")
    payload = planned["payload"]
    assert (planned["lead_id"], payload["channel"], payload["purpose"]) == (
        lead, "sms", "conversation",
    )  # fmt: skip
    assert (payload["body"], payload["recipient"]) == (answer["content"], PHONE)
    assert (payload["message_id"], payload["requested_by"]) == (
        answer["messageId"], str(site.manager),
    )  # fmt: skip
    await send_sms(site, "STOP", sid="SM2")
    count = len(await site.read_event_types())
    refused = await site.client.post(
        f"{url}/messages", json={"content": "Are you sure?"}, headers=headers
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "no_consent")
    assert len(await site.read_event_types()) == count


async def test_stop_is_no_engagement(site: Site) -> None:
    await site.create_lead(phone=PHONE)
    await send_sms(site, "STOP")
    await site.project()
    assert await site.world.count("lead_engagement_events") == 0


async def test_a_message_overtakes_marketing_that_was_not_handed_over(site: Site) -> None:
    lead = await site.create_lead(phone=PHONE)
    queued = [await plan(site, lead), await plan(site, lead, DeliveryClaimed, DeliveryReleased)]
    await plan(site, lead, DeliveryClaimed)
    await plan(site, lead, kind=MessageClass.TRANSACTIONAL)
    await send_sms(site, "I have a question")
    skipped = await read_events(site, "delivery.skipped")
    assert {UUID(event["payload"]["delivery_id"]) for event in skipped} == set(queued)
    assert {event["payload"]["reason"] for event in skipped} == {"reply_received"}


async def test_stop_skips_every_sms_that_was_not_handed_over(site: Site) -> None:
    first, *_ = await create_leads(site)
    queued = {
        await plan(site, first), await plan(site, first, kind=MessageClass.TRANSACTIONAL)
    }  # fmt: skip
    await send_sms(site, "STOP")
    skipped = await read_events(site, "delivery.skipped")
    assert {UUID(event["payload"]["delivery_id"]) for event in skipped} == queued
    assert {event["payload"]["reason"] for event in skipped} == {"no_consent"}


async def test_a_revocation_in_other_words_is_flagged_for_a_person(site: Site) -> None:
    lead = await site.create_lead(phone=PHONE)
    text = "please stop texting me"
    for number in range(2):  # also the second time, when the conversation waits already
        await send_sms(site, text, sid=f"SM{number}")
    notes = await read_events(site, "lead.noted")
    assert [(event["lead_id"], text in event["payload"]["note"]) for event in notes] == [
        (lead, True)
    ] * 2
    waiting = await read_events(site, "conversation.waiting")
    assert [event["payload"]["reason"] for event in waiting] == ["opt_out_request"]
    tasks = await read_events(site, "task.created")
    assert [event["lead_id"] for event in tasks] == [lead] * 2
    assert all(event["payload"]["due_at"] for event in tasks)
    assert await read_events(site, "consent.withdrawn") == []


async def test_help_is_answered_by_a_delivery(site: Site) -> None:
    lead = await site.create_lead(phone=PHONE)
    await send_sms(site, "HELP")
    (planned,) = await read_events(site, "delivery.planned")
    assert planned["lead_id"] == lead
    assert planned["payload"]["body"] == HELP
    assert planned["payload"]["message_class"] == "conversational"
    assert planned["payload"]["recipient"] == PHONE
    assert planned["payload"]["caused_at"]


@pytest.mark.parametrize(
    ("meaning", "events"),
    [
        ("STOP", ["consent.withdrawn"]), ("START", ["consent.given"]), ("HELP", []),
        ("OTHER", []), ("REVOCATION", []),
    ],
)  # fmt: skip
async def test_a_keyword_that_the_provider_answered_is_not_answered_again(
    site: Site, meaning: str, events: list[str]
) -> None:
    await site.create_lead(phone=PHONE)
    await send_sms(site, "a word of the provider's own list", OptOutType=meaning)
    found = await read_events(site, "consent.withdrawn", "consent.given", "delivery.planned")
    assert [event["event_type"] for event in found] == events


@pytest.mark.parametrize("sender", ["+12125550199", "72975", "ALDER", "+1" + "2" * 50])
async def test_an_unknown_number_gets_the_same_answer(site: Site, sender: str) -> None:
    await site.create_lead(phone=PHONE)
    before = await site.read_event_types()
    await send_sms(site, "STOP", sender=sender)
    assert await site.read_event_types() == before


@pytest.mark.parametrize("text", ["", "\u0000", "a\u0000b", "x" * 9_999, "💥\u202e"])
async def test_any_text_is_stored(site: Site, text: str) -> None:
    await site.create_lead(phone=PHONE)
    await send_sms(site, text)
    (message,) = await read_events(site, "conversation.message_received")
    assert message["payload"]["content"] == (text.replace("\u0000", "") or "(no text)")
