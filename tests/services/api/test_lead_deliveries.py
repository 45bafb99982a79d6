"""The messages to a lead with the reasons of their states, over HTTP and on the command line."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from events.consents import ConsentChannel, ConsentWithdrawn, consent_id
from events.deliveries import (
    DeliveryChannel,
    DeliveryClaimed,
    DeliveryDelivered,
    DeliveryFailed,
    DeliveryHandedOver,
    DeliveryHeld,
    DeliveryPlanned,
    DeliveryPurpose,
    DeliveryReconciled,
    DeliveryReleased,
    DeliverySkipped,
    DeliveryUnknown,
    ReconciledOutcome,
)
from events.event import Event
from services.cli.main import run
from services.runtime.settings import Settings
from tests.conftest import use_database
from tests.services.api.site import Site, create_profile
from tests.services.api.workflow_requests import create_template
from tests.world import START, make_world

LATER = START + timedelta(hours=20)
CLAIMED: tuple[type[Event], dict[str, Any]] = (
    DeliveryClaimed, {"attempt": 1, "provider": "smtp", "lease_until": LATER},
)  # fmt: skip
CASES: dict[str, tuple[list[tuple[type[Event], dict[str, Any]]], dict[str, Any]]] = {
    "planned": ([], {"nextAt": "2026-03-01T12:00:00Z"}),
    "held": (
        [(DeliveryHeld, {"reason": "quiet_hours", "held_until": LATER, "values": {"zone": "UTC"}})],
        {"reason": "quiet_hours", "nextAt": "2026-03-02T08:00:00Z", "values": {"zone": "UTC"},
         "explanation": "held until 2026-03-02 08:00 UTC: messages are not sent at this hour where "
                        "the person is"},
    ),
    "skipped": (
        [(DeliverySkipped, {"reason": "no_consent", "detail": "withdrawn on 2026-02-01"})],
        {"reason": "no_consent", "nextAt": None,
         "explanation": "not sent: the person does not want messages on this channel: withdrawn on "
                        "2026-02-01"},
    ),
    "claimed": ([CLAIMED], {"nextAt": "2026-03-02T08:00:00Z"}),
    "released": (
        [CLAIMED, (DeliveryReleased, {"attempt": 1, "reason": "refused",
                                      "detail": "no connection", "next_attempt_at": LATER})],
        {"nextAt": "2026-03-02T08:00:00Z", "reason": "refused"},
    ),
    "sent": (
        [CLAIMED, (DeliveryHandedOver, {"attempt": 1, "provider": "smtp", "simulated": False})],
        {"explanation": "handed over to smtp, which has not reported yet", "nextAt": None},
    ),
    "simulated": (
        [CLAIMED, (DeliveryHandedOver, {"attempt": 1, "provider": "none", "simulated": True})],
        {"explanation": "simulated: no provider is configured, so nobody got it"},
    ),
    "delivered": (
        [CLAIMED, (DeliveryHandedOver, {"attempt": 1, "provider": "smtp", "simulated": False}),
         (DeliveryDelivered, {})],
        {"settling": None},
    ),
    "failed": (
        [CLAIMED, (DeliveryFailed, {"attempt": 1, "reason": "no such mailbox", "code": "550"})],
        {"reason": "550", "explanation": "not delivered: no such mailbox"},
    ),
    "unknown": (
        [CLAIMED, (DeliveryUnknown, {"attempt": 1, "detail": "the connection was lost"})],
        {"explanation": "unknown whether the provider got it: the connection was lost"},
    ),
    "never_sent": (
        [CLAIMED, (DeliveryUnknown, {"attempt": 1}),
         (DeliveryReconciled, {"outcome": ReconciledOutcome.NEVER_SENT, "detail": "looked up"})],
        {"explanation": "not sent: looked up", "settling": None},
    ),
}  # fmt: skip


async def append_delivery(
    site: Site, lead: UUID, events: list[tuple[type[Event], dict[str, Any]]]
) -> UUID:
    """Append the events of a planned message to a lead; return its id."""
    delivery_id = uuid4()
    same: dict[str, Any] = {
        "delivery_id": delivery_id, "lead_id": lead, "channel": DeliveryChannel.EMAIL,
        "purpose": DeliveryPurpose.MANUAL,
    }  # fmt: skip
    planned = DeliveryPlanned(**same, due_at=START, subject="Hello", body="Hi", recipient="a@b.org")
    all_events = [planned, *(kind(**same, **fields) for kind, fields in events)]
    await site.world.append(*map(site.world.new, all_events))
    return delivery_id


async def list_deliveries(site: Site, lead: object, profile: UUID | None = None) -> Any:
    response = await site.client.get(
        f"/api/leads/{lead}/deliveries", headers=site.console_headers(profile)
    )
    assert response.status_code == 200, response.text
    return response.json()["deliveries"]


@pytest.mark.parametrize("status", CASES)
async def test_every_state_has_a_reason_in_plain_words(site: Site, status: str) -> None:
    events, expected = CASES[status]
    lead = await site.create_lead()
    delivery_id = await append_delivery(site, lead, events)
    await site.project()
    [row] = await list_deliveries(site, lead, site.viewer)
    assert (row["id"], row["status"]) == (str(delivery_id), status)
    assert row | expected == row
    assert row["history"][0]["status"] == "planned"
    assert len(row["history"]) == 1 + len(events)
    assert row["explanation"]
    if status == "unknown":
        assert "crm delivery reconcile" in row["settling"]


async def test_the_messages_of_merged_leads_are_listed_together(site: Site) -> None:
    lead, other = await site.create_lead(), await site.create_lead()
    first = await append_delivery(site, other, [])
    second = await append_delivery(site, lead, [])
    response = await site.client.post(
        f"/api/leads/{other}/merge", json={"intoLeadId": str(lead)},
        headers=site.console_headers(),
    )  # fmt: skip
    assert response.status_code == 200, response.text
    await site.project()
    for key in (lead, other):
        rows = await list_deliveries(site, key)
        assert [row["id"] for row in rows] == [str(second), str(first)]


async def test_leads_of_other_organisations_are_not_found(site: Site) -> None:
    lead = await site.create_lead()
    await append_delivery(site, lead, [])
    await site.project()
    stranger = await create_profile(await make_world(site.world.pool), "admin")
    response = await site.client.get(
        f"/api/leads/{lead}/deliveries", headers=site.console_headers(stranger)
    )
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.fixture
def command_environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `crm` use the test's database, through the pooler if the run has one."""
    use_database(monkeypatch, settings)


@pytest.mark.usefixtures("command_environment")
async def test_the_command_lists_what_was_not_sent(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    async def crm(*arguments: str) -> tuple[int, str, str]:
        code = await asyncio.to_thread(run, ("why-not-sent", *arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    lead = await site.create_lead()
    await site.project()
    assert await crm(str(lead)) == (0, "no message was planned\n", "")
    sent = await append_delivery(site, lead, CASES["sent"][0])
    code, out, _ = await crm(str(lead))
    assert (code, out) == (0, "every message to this lead was sent\n")
    held = await append_delivery(site, lead, CASES["held"][0])
    unknown = await append_delivery(site, lead, CASES["unknown"][0])
    code, out, _ = await crm(str(lead)[:8] + "…")
    assert code == 0
    for text in (str(held), str(unknown), "messages are not sent at this hour", "2026-03-02 08:00",
                 "crm delivery reconcile"):  # fmt: skip
        assert text in out
    assert str(sent) not in out
    code, out, _ = await crm(str(lead), "--all", "--json")
    rows = json.loads(out)
    assert [row["id"] for row in rows] == [str(unknown), str(held), str(sent)]
    assert rows[1]["values"] == {"zone": "UTC"}
    assert [step["status"] for step in rows[2]["history"]] == ["planned", "claimed", "sent"]
    for text, error in ((str(uuid4()), "there is no lead"), ("xyz", "neither an id")):
        code, out, err = await crm(text)
        assert (code, out) == (1, "")
        assert error in err
    code, out, _ = await crm("--help")
    assert code == 0
    assert "crm why-not-sent LEAD_ID --json" in out


@pytest.mark.usefixtures("command_environment")
async def test_a_message_of_a_tour_that_was_not_planned_has_a_reason(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    lead = await site.create_lead()
    tour = await site.book_tour(lead, sendConfirmation=False)
    await create_template(site, "tour-reminder-1h-email", channel="email", subject="x")
    await site.project()
    response = await site.client.get(
        f"/api/leads/{lead}/deliveries", headers=site.console_headers()
    )
    missing = response.json()["notPlanned"]
    assert {(row["purpose"], row["channel"]): row["reason"] for row in missing} == {
        ("tour_confirmation", "sms"): "not_requested",
        ("tour_confirmation", "email"): "not_requested",
        ("tour_reminder_24h", "sms"): "no_recipient",
        ("tour_reminder_24h", "email"): "template_inactive",
        ("tour_reminder_1h", "sms"): "no_recipient",
        ("tour_reminder_1h", "email"): "not_planned",
    }
    assert {row["tourId"] for row in missing} == {tour["id"]}
    assert await asyncio.to_thread(run, ("why-not-sent", str(lead))) == 0
    out = capsys.readouterr().out
    assert "the template tour-reminder-24h-email is missing or not active: activate it" in out
    await site.client.delete(
        f"/api/leads/{lead}/tours", params={"tourId": tour["id"]}, headers=site.console_headers()
    )
    response = await site.client.get(
        f"/api/leads/{lead}/deliveries", headers=site.console_headers()
    )
    assert response.json()["notPlanned"] == []


@pytest.mark.parametrize(
    ("hour", "at", "reason"),
    [(15, "T15:00:00", None), (23, "T23:00:00", None), (4, "T13:00:00", "quiet_hours")],
)
async def test_a_planned_message_has_its_next_lawful_time(
    site: Site, hour: int, at: str, reason: str | None
) -> None:
    """8:00 in New York is 13:00 UTC in winter and 12:00 in summer."""
    lead = await site.create_lead(phone="+12125550123")
    day = datetime(2036, 1, 10, tzinfo=UTC)
    await site.world.append(site.world.new(DeliveryPlanned(
        delivery_id=uuid4(), lead_id=lead, channel=DeliveryChannel.SMS, body="Hi",
        purpose=DeliveryPurpose.MANUAL, due_at=day.replace(hour=hour), recipient="+12125550123",
    )))  # fmt: skip
    await site.project()
    [row] = await list_deliveries(site, lead)
    forecast = row["forecast"]
    assert forecast["reason"] == reason
    assert forecast["at"] == f"2036-01-10{at}Z"
    assert forecast["explanation"].startswith("it waits until" if reason else "it leaves at")


async def test_a_message_after_an_opt_out_has_no_next_time(site: Site) -> None:
    lead = await site.create_lead(phone="+12125550123")
    await site.world.append(
        site.world.new(DeliveryPlanned(
            delivery_id=uuid4(), lead_id=lead, channel=DeliveryChannel.SMS, body="Hi",
            purpose=DeliveryPurpose.MANUAL, due_at=START, recipient="+12125550123",
        )),
        site.world.new(ConsentWithdrawn(
            consent_id=consent_id(lead, ConsentChannel.SMS), lead_id=lead,
            channel=ConsentChannel.SMS, place="sms_reply", at=START, keyword="STOP",
        )),
    )  # fmt: skip
    await site.project()
    [row] = await list_deliveries(site, lead)
    assert row["status"] == "planned"
    assert (row["forecast"]["at"], row["forecast"]["reason"]) == (None, "no_consent")
