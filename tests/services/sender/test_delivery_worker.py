"""One message: two transactions around one request, and what every result leads to."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from events.consents import ConsentChannel
from events.deliveries import DeliveryChannel, MessageClass
from services.adapters.provider import (
    OPTED_OUT,
    Finding,
    HandOverResult,
    HandOverUnknown,
    LookUp,
    NotHandedOver,
    OutgoingMessage,
    Rejected,
)
from services.deciders.consents import RecordConsent
from services.deciders.hand_overs import SkipDelivery
from services.deciders.leads import SetLeadZone
from services.deciders.merges import MergeLeads
from tests.services.sender.outbox import EMAIL, PHONE, make_outbox


async def test_a_due_message_is_claimed_handed_over_and_recorded(pool: asyncpg.Pool) -> None:
    outbox = await make_outbox(pool)
    message = await outbox.plan(DeliveryChannel.EMAIL)
    await outbox.send()
    assert await outbox.steps(message) == ["planned", "claimed", "handed_over"]
    (request,) = outbox.email.requests
    assert (request.recipient, request.subject, request.body) == (EMAIL, "News", "Hello")
    assert (request.attempt, request.sender_name) == (1, "Alder 0")
    (_, claimed), (_, taken) = (await outbox.events(message))[1:]
    assert claimed["lease_until"] == "2026-03-03T17:01:00Z"
    assert taken["external_id"] == f"at-provider-{message}"
    assert (taken["recipient"], taken["simulated"]) == (EMAIL, False)
    assert await outbox.due() == []


async def test_a_message_that_is_not_due_stays(pool: asyncpg.Pool) -> None:
    outbox = await make_outbox(pool)
    message = await outbox.plan(due_at=outbox.clock.now() + timedelta(minutes=1))
    await outbox.send(message)
    assert await outbox.steps(message) == ["planned"]
    outbox.pass_time(minutes=1)
    await outbox.send(message)
    assert await outbox.steps(message) == ["planned", "claimed", "handed_over"]


async def test_a_message_goes_to_the_address_that_the_lead_has_now(pool: asyncpg.Pool) -> None:
    outbox = await make_outbox(pool)
    message = await outbox.plan()
    world = outbox.world
    await world.append(world.new(world.captured(outbox.lead_id, phone="+12125550199")))
    await outbox.send(message)
    assert [request.recipient for request in outbox.sms.requests] == ["+12125550199"]


async def test_a_refused_message_fails_and_is_not_sent_again(pool: asyncpg.Pool) -> None:
    outbox = await make_outbox(pool)
    message = await outbox.plan()

    async def reject(_message: OutgoingMessage) -> HandOverResult:
        return Rejected("21211", "no such number")

    outbox.sms.answer = reject
    await outbox.send(message)
    outbox.pass_time(days=1)
    await outbox.send(message)
    name, failed = (await outbox.events(message))[-1]
    assert (name, failed["code"], failed["reason"]) == ("failed", "21211", "no such number")
    assert len(outbox.sms.requests) == 1


@pytest.mark.parametrize(("retry_after", "pauses"), [(90.0, [90, 90]), (None, [30, 60])])
async def test_a_message_that_never_reached_the_provider_is_tried_again(
    pool: asyncpg.Pool, retry_after: float | None, pauses: list[int]
) -> None:
    outbox = await make_outbox(pool)
    message = await outbox.plan()

    async def refuse(_message: OutgoingMessage) -> HandOverResult:
        return NotHandedOver("refused", "connection refused", retry_after)

    answer, outbox.sms.answer = outbox.sms.answer, refuse
    for pause in pauses:
        await outbox.send(message)
        outbox.pass_time(seconds=pause - 1)
        assert await outbox.due() == []
        outbox.pass_time(seconds=1)
    outbox.sms.answer = answer
    await outbox.send(message)
    assert await outbox.steps(message) == [
        "planned", "claimed", "released", "claimed", "released", "claimed", "handed_over",
    ]  # fmt: skip
    assert [request.attempt for request in outbox.sms.requests] == [1, 2, 3]


async def raise_unknown(_message: OutgoingMessage) -> HandOverResult:
    raise HandOverUnknown("connection lost after the request")


async def raise_error(_message: OutgoingMessage) -> HandOverResult:
    raise ConnectionResetError("connection lost after the request")


async def wait_for_ever(_message: OutgoingMessage) -> HandOverResult:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize(
    ("finding", "end"),
    [
        (Finding.NOT_KNOWN, []),
        (Finding.DELIVERED, ["reconciled"]),
        (Finding.FAILED, ["reconciled"]),
        (Finding.NEVER_RECEIVED, ["reconciled"]),
    ],
)
@pytest.mark.parametrize("answer", [raise_unknown, raise_error])
async def test_a_hand_over_without_a_result_is_looked_up_and_never_repeated(
    pool: asyncpg.Pool, finding: Finding, end: list[str], answer: object
) -> None:
    outbox = await make_outbox(pool)
    message = await outbox.plan()
    outbox.sms.answer = answer  # type: ignore[assignment]
    outbox.sms.finding = LookUp(finding, "SM1")
    await outbox.send(message)
    outbox.pass_time(seconds=59)
    await outbox.send(message)
    assert await outbox.steps(message) == ["planned", "claimed"]
    outbox.pass_time(seconds=1)
    await outbox.send(message)
    outbox.pass_time(days=1)
    await outbox.send(message)
    assert await outbox.steps(message) == ["planned", "claimed", "unknown", *end]
    assert "connection lost after the request" in (await outbox.events(message))[2][1]["detail"]
    assert len(outbox.sms.requests) == len(outbox.sms.look_ups) == 1
    assert await outbox.due() == []


@pytest.mark.parametrize(("failing", "end"), [(2, ["reconciled"]), (3, [])])
async def test_a_look_up_that_ends_with_an_error_is_made_three_times(
    pool: asyncpg.Pool, failing: int, end: list[str]
) -> None:
    outbox = await make_outbox(pool)
    message = await outbox.plan()
    outbox.sms.answer = raise_unknown
    outbox.sms.finding, outbox.sms.failing_look_ups = LookUp(Finding.DELIVERED, "SM1"), failing
    await outbox.send(message)
    outbox.pass_time(minutes=1)
    await outbox.send(message)
    assert await outbox.steps(message) == ["planned", "claimed", "unknown", *end]
    assert len(outbox.sms.look_ups) == 3


async def test_another_provider_is_not_queried_about_a_lost_hand_over(pool: asyncpg.Pool) -> None:
    outbox = await make_outbox(pool)
    message = await outbox.plan()
    outbox.sms.answer = raise_unknown
    await outbox.send(message)
    outbox.sms.name, outbox.sms.finding = "other", LookUp(Finding.NEVER_RECEIVED)
    outbox.pass_time(minutes=1)
    await outbox.send(message)
    assert await outbox.steps(message) == ["planned", "claimed", "unknown"]
    assert outbox.sms.look_ups == []


async def test_a_request_is_given_up_before_its_lease_ends(pool: asyncpg.Pool) -> None:
    outbox = await make_outbox(pool)
    message = await outbox.plan()
    outbox.sms.answer = wait_for_ever
    await outbox.worker(lease_seconds=4).process(outbox.property_id, message, asyncio.Lock())
    assert await outbox.steps(message) == ["planned", "claimed"]
    outbox.pass_time(seconds=4)
    await outbox.send(message)
    name, unknown = (await outbox.events(message))[-1]
    assert (name, unknown["detail"]) == ("unknown", "no answer within 2 s")


async def test_an_opt_out_between_plan_and_hand_over_is_obeyed(pool: asyncpg.Pool) -> None:
    outbox = await make_outbox(pool)
    message = await outbox.plan()
    await outbox.do(opt_out(outbox.lead_id, outbox.clock.now()))
    await outbox.send(message)
    assert await outbox.steps(message) == ["planned", "skipped no_consent"]
    assert outbox.sms.requests == []


def opt_out(lead_id: UUID, at: datetime, *, given: bool = False) -> RecordConsent:
    keyword = "START" if given else "STOP"
    return RecordConsent(lead_id, ConsentChannel.SMS, given, "sms_reply", at, keyword=keyword)


async def test_an_opt_out_that_only_the_provider_knows_counts_for_the_next_message(
    pool: asyncpg.Pool,
) -> None:
    outbox = await make_outbox(pool)
    first, second = await outbox.plan(), await outbox.plan()

    async def reject(_message: OutgoingMessage) -> HandOverResult:
        return Rejected(OPTED_OUT, "the recipient replied STOP")

    outbox.sms.answer = reject
    await outbox.send(first, second)
    assert await outbox.steps(first) == ["planned", "claimed", "failed"]
    assert await outbox.steps(second) == ["planned", "skipped no_consent"]
    assert len(outbox.sms.requests) == 1


async def test_an_opt_out_survives_a_merge(pool: asyncpg.Pool) -> None:
    """The loser opted out; messages to either lead, planned before the merge, are not sent."""
    outbox = await make_outbox(pool)
    world = outbox.world
    other = world.captured(email="other@example.com", phone="+12125550188")
    await world.append(world.new(other))
    to_loser, to_winner = await outbox.plan(lead_id=other.lead_id), await outbox.plan()
    await outbox.do(opt_out(other.lead_id, outbox.clock.now()))
    await outbox.do(MergeLeads(other.lead_id, outbox.lead_id, outbox.clock.now()))
    after = await outbox.plan(lead_id=other.lead_id)
    await outbox.send(to_loser, to_winner, after)
    for message in (to_loser, to_winner, after):
        assert await outbox.steps(message) == ["planned", "skipped no_consent"]
    assert outbox.sms.requests == []
    outbox.pass_time(minutes=1)
    await outbox.do(opt_out(outbox.lead_id, outbox.clock.now(), given=True))
    again = await outbox.plan(lead_id=other.lead_id)
    await outbox.send(again)
    assert await outbox.steps(again) == ["planned", "claimed", "handed_over"]


@pytest.mark.parametrize("is_other_property", [False, True])
async def test_an_opt_out_survives_that_the_person_comes_again_as_another_lead(
    pool: asyncpg.Pool, is_other_property: bool
) -> None:
    """A later import makes a new lead of the same number: it has no consent of its own."""
    outbox = await make_outbox(pool)
    world = outbox.world
    await outbox.do(opt_out(outbox.lead_id, outbox.clock.now()))
    again = world.captured(email="new@example.com", phone=PHONE, source="import")
    if is_other_property:
        await world.add_property()
    await world.append(world.new(again, property_id=world.properties[-1]))
    outbox.world.properties.reverse()
    message = await outbox.plan(lead_id=again.lead_id)
    await outbox.send(message)
    assert await outbox.steps(message) == ["planned", "skipped no_consent"]
    assert outbox.sms.requests == []


async def test_the_hours_of_the_lead_s_own_zone_count(pool: asyncpg.Pool) -> None:
    """At noon in New York, where the number and the property are, it is 7 h in Honolulu."""
    outbox = await make_outbox(pool)
    await outbox.do(SetLeadZone(outbox.lead_id, "Pacific/Honolulu"))
    message = await outbox.plan()
    await outbox.send(message)
    assert await outbox.steps(message) == ["planned", "held quiet_hours"]
    outbox.pass_time(minutes=59)
    assert await outbox.due() == []
    outbox.pass_time(minutes=1)
    await outbox.send()
    assert await outbox.steps(message) == [
        "planned", "held quiet_hours", "claimed", "handed_over",
    ]  # fmt: skip


async def test_a_message_is_held_again_by_another_rule_at_its_next_lawful_instant(
    pool: asyncpg.Pool,
) -> None:
    """Two were sent today: the third waits for tomorrow, in the hours of sending."""
    outbox = await make_outbox(pool)
    messages = [await outbox.plan(message_class=MessageClass.MARKETING) for _ in range(3)]
    await outbox.send(*messages)
    assert [await outbox.steps(message) for message in messages[:2]] == [
        ["planned", "claimed", "handed_over"]
    ] * 2
    third = messages[2]
    assert await outbox.steps(third) == ["planned", "held frequency_cap"]
    _, held = (await outbox.events(third))[-1]
    assert held["held_until"] == "2026-03-04T13:00:00Z"
    assert held["values"]["frequency_cap"] == {
        "zone": "America/New_York", "day": "2026-03-03", "sent_today": 2, "per_day": 2,
        "sent_in_week": 2, "per_week": 6,
    }  # fmt: skip
    outbox.pass_time(hours=20)
    await outbox.send()
    assert await outbox.steps(third) == ["planned", "held frequency_cap", "claimed", "handed_over"]


async def test_the_messages_to_all_leads_with_the_contact_count_together(
    pool: asyncpg.Pool,
) -> None:
    outbox = await make_outbox(pool)
    other = outbox.world.captured(email="other@example.com", phone=PHONE)
    await outbox.world.append(outbox.world.new(other))
    first = [await outbox.plan(message_class=MessageClass.MARKETING) for _ in range(2)]
    await outbox.send(*first)
    third = await outbox.plan(lead_id=other.lead_id, message_class=MessageClass.MARKETING)
    await outbox.send(third)
    assert await outbox.steps(third) == ["planned", "held frequency_cap"]


async def test_a_cancelled_message_is_not_sent(pool: asyncpg.Pool) -> None:
    outbox = await make_outbox(pool)
    message = await outbox.plan()
    await outbox.do(SkipDelivery(message, "cancelled"))
    await outbox.send(message)
    assert await outbox.steps(message) == ["planned", "skipped cancelled"]


async def test_two_workers_hand_a_message_over_once(pool: asyncpg.Pool) -> None:
    outbox = await make_outbox(pool)
    messages = [await outbox.plan(body=f"Hello {n}") for n in range(4)]
    workers = [(outbox.worker(), asyncio.Lock()) for _ in range(4)]
    await asyncio.gather(*(
        worker.process(outbox.property_id, message, turn)
        for message in messages for worker, turn in workers
    ))  # fmt: skip
    await outbox.send(*messages)
    assert sorted(request.body for request in outbox.sms.requests) == [
        "Hello 0", "Hello 1", "Hello 2", "Hello 3",
    ]  # fmt: skip
    assert {request.recipient for request in outbox.sms.requests} == {PHONE}


async def test_one_message_that_cannot_be_decided_does_not_stop_the_others(
    pool: asyncpg.Pool,
) -> None:
    outbox = await make_outbox(pool)
    broken, good = await outbox.plan(DeliveryChannel.EMAIL), await outbox.plan()
    del outbox.providers[DeliveryChannel.EMAIL]
    await outbox.send(broken, good)
    assert await outbox.steps(broken) == ["planned"]
    assert await outbox.steps(good) == ["planned", "claimed", "handed_over"]
    row = await pool.fetchrow("SELECT attempts, error FROM crm.timers WHERE entity_id = $1", broken)
    assert row is not None
    assert row["attempts"] == 1
    assert "KeyError" in row["error"]
