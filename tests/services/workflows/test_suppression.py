"""A message that failed for good, a bounce and a complaint end the messages to a contact."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.consents import ConsentChannel
from events.deliveries import DeliveryChannel, DeliveryPurpose
from services.adapters.provider import HandOverResult, OutgoingMessage, Rejected
from services.deciders.consents import RecordConsent
from tests.services.adapters.test_email_reports import bounce, complaint
from tests.services.cli.test_credentials import crm
from tests.services.sender.counting_provider import Answer, accept
from tests.services.sender.outbox import EMAIL, PHONE, Outbox, make_outbox
from tests.services.workflows.policy_bus import PolicyBus, open_policies
from tests.stored_events import read_stored_events


@pytest.fixture
async def outbox(pool: asyncpg.Pool) -> Outbox:
    return await make_outbox(pool)


@pytest.fixture
async def bus(outbox: Outbox) -> PolicyBus:
    return await open_policies(outbox.world)


def refusing(code: str) -> Answer:
    async def refuse(_message: OutgoingMessage) -> HandOverResult:
        return Rejected(code, "no")

    return refuse


async def consents(outbox: Outbox) -> list[dict[str, Any]]:
    return await read_stored_events(outbox.world.pool, "entity_type = 'consent'")


async def capture_elsewhere(outbox: Outbox, **details: str) -> UUID:
    """Capture a lead in another property of the organisation and return its id."""
    property_id, lead = uuid4(), uuid4()
    await outbox.world.pool.execute(
        "INSERT INTO properties (id, org_id, name, settings) VALUES ($1, $2, 'Two', $3)",
        property_id, outbox.world.org_id, {"timezone": "America/New_York"},
    )  # fmt: skip
    captured = outbox.world.captured(lead, **{"email": None, "phone": None, **details})
    await outbox.world.append(outbox.world.new(captured, property_id=property_id))
    return lead


@pytest.mark.parametrize(
    ("channel", "code", "place"),
    [
        (DeliveryChannel.SMS, "opted_out", "provider"),
        (DeliveryChannel.SMS, "unknown_address", "bounce"),
        (DeliveryChannel.EMAIL, "unknown_address", "bounce"),
    ],
)
async def test_a_final_failure_withdraws_consent_of_every_lead_with_the_contact(
    outbox: Outbox, bus: PolicyBus, channel: DeliveryChannel, code: str, place: str
) -> None:
    other = await capture_elsewhere(outbox, email=EMAIL, phone=PHONE)
    outbox.providers[channel].answer = refusing(code)
    failed = await outbox.plan(channel)
    await outbox.send(failed)
    for _ in range(2):  # a repetition after a crash changes nothing
        await bus.deliver()
        bus.seen = 0
    withdrawn = await consents(outbox)
    assert {(c["lead_id"], c["payload"]["place"]) for c in withdrawn} == {
        (outbox.lead_id, place),
        (other, place),
    }
    assert len(withdrawn) == 2
    assert {c["payload"]["channel"] for c in withdrawn} == {channel.value}
    outbox.providers[channel].answer = accept
    after = await outbox.plan(channel)
    await outbox.send(after)
    assert await outbox.steps(after) == ["planned", "skipped no_consent"]


@pytest.mark.parametrize("code", ["twilio_30003", "smtp_550", "bounced_5.2.2", "http_400"])
async def test_another_failure_changes_no_consent(
    outbox: Outbox, bus: PolicyBus, code: str
) -> None:
    outbox.sms.answer = refusing(code)
    await outbox.send(await outbox.plan())
    await bus.deliver()
    assert await consents(outbox) == []


async def test_a_failed_test_of_a_template_is_not_about_the_lead(
    outbox: Outbox, bus: PolicyBus
) -> None:
    outbox.email.answer = refusing("unknown_address")
    await outbox.send(await outbox.plan(
        DeliveryChannel.EMAIL, purpose=DeliveryPurpose.TEST, recipient="agent@example.com"
    ))  # fmt: skip
    await bus.deliver()
    assert await consents(outbox) == []


async def test_a_later_decision_of_the_person_is_kept(outbox: Outbox, bus: PolicyBus) -> None:
    outbox.sms.answer = refusing("unknown_address")
    await outbox.send(await outbox.plan())
    outbox.pass_time(seconds=5)
    await outbox.do(RecordConsent(
        outbox.lead_id, ConsentChannel.SMS, True, "widget", outbox.clock.now()
    ))  # fmt: skip
    await bus.deliver()
    assert [c["event_type"] for c in await consents(outbox)] == ["consent.given"]


async def test_an_opt_out_holds_for_a_lead_that_comes_later_with_the_same_number(
    outbox: Outbox,
) -> None:
    await capture_elsewhere(outbox, phone="+12125550144")
    await outbox.do(RecordConsent(
        outbox.lead_id, ConsentChannel.SMS, False, "sms_reply", outbox.clock.now()
    ))  # fmt: skip
    newcomer = outbox.world.captured(email="new@example.com", phone=PHONE)
    await outbox.world.append(outbox.world.new(newcomer))
    message = await outbox.plan(lead_id=newcomer.lead_id)
    await outbox.send(message)
    assert await outbox.steps(message) == ["planned", "skipped no_consent"]
    outbox.pass_time(minutes=5)
    await outbox.do(RecordConsent(
        newcomer.lead_id, ConsentChannel.SMS, True, "widget", outbox.clock.now()
    ))  # fmt: skip
    allowed = await outbox.plan(lead_id=newcomer.lead_id)
    await outbox.send(allowed)
    assert (await outbox.steps(allowed))[-1] == "handed_over"


@pytest.fixture
async def mailbox(
    database_url: str, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Outbox:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("CRM_HOME", str(tmp_path))
    return await make_outbox(pool, datetime.now(UTC) - timedelta(hours=1))


def about(content: bytes, delivery_id: UUID) -> bytes:
    return content.replace(b"018f3a51-7a6e-7c3e-9d57-7d1c8ac6d1f3", str(delivery_id).encode())


async def test_a_bounce_from_a_mailbox_ends_the_emails(
    mailbox: Outbox, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bus = await open_policies(mailbox.world)
    sent = await mailbox.plan(DeliveryChannel.EMAIL)
    await mailbox.send(sent)
    file, other = tmp_path / "1", tmp_path / "2"
    file.write_bytes(about(bounce("Action: failed\nStatus: 5.1.1"), sent))
    other.write_bytes(about(bounce("Action: failed\nStatus: 5.1.1"), uuid4()))
    for _ in range(2):
        code, out = await crm(capsys, "delivery", "report", str(file), str(other), "--json")
        assert code == 0
        assert str(sent) in out
    assert await mailbox.steps(sent) == ["planned", "claimed", "handed_over", "failed"]
    await bus.deliver()
    (consent,) = await consents(mailbox)
    assert (consent["payload"]["place"], consent["payload"]["channel"]) == ("bounce", "email")


async def test_a_complaint_ends_the_emails_once(
    mailbox: Outbox, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    sent = await mailbox.plan(DeliveryChannel.EMAIL)
    await mailbox.send(sent)
    file = tmp_path / "complaint"
    file.write_bytes(about(complaint("abuse"), sent))
    for _ in range(2):
        assert (await crm(capsys, "delivery", "report", str(file)))[0] == 0
    (consent,) = await consents(mailbox)
    assert (consent["payload"]["place"], consent["payload"]["text"]) == (
        "complaint", "the recipient complained: abuse",
    )  # fmt: skip
    assert await mailbox.steps(sent) == ["planned", "claimed", "handed_over"]


async def test_a_file_that_cannot_be_read_is_named(
    mailbox: Outbox, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _ = await crm(capsys, "delivery", "report", str(tmp_path / "none"))
    assert code == 1
