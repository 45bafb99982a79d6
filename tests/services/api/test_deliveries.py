"""Messages that people send to a lead, through real HTTP: planned whole, or not at all."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from events.consents import ConsentChannel, ConsentWithdrawn, consent_id
from services.api.routes import deliveries
from services.api.routes.deliveries import retry_ids
from tests.services.api.conftest import Site, employ
from tests.services.api.flows import TEMPLATES, template
from tests.world import make_world

PHONE = "+12125550123"


async def send(site: Site, lead: object, body: Any, **more: Any) -> httpx2.Response:
    return await site.client.post(
        f"/api/leads/{lead}/send-message", json=body, headers=more.get("headers") or site.console()
    )


async def planned(site: Site) -> list[dict[str, Any]]:
    """What the log has of deliveries, in order."""
    async with site.world.pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT payload FROM crm_events WHERE entity_type = 'delivery' ORDER BY seq"
        )
    return [row["payload"] for row in rows]


async def test_a_message_is_planned_with_whom_it_goes_to_and_what_it_says(site: Site) -> None:
    lead = await site.lead(email="ada@example.com", firstName="Ada")
    answer = await send(site, lead, {"channel": "email", "message": "Hello {{first_name}} :-}"})
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said == {"success": True, "messageId": said["messageId"], "channel": "email",
                    "status": "planned"}  # fmt: skip
    (delivery,) = await planned(site)
    assert delivery["delivery_id"] == said["messageId"]
    assert (delivery["recipient"], delivery["body"], delivery["purpose"]) == (
        "ada@example.com", "Hello Ada :-}", "manual",
    )  # fmt: skip
    assert delivery["subject"] == "Message from House 0"
    assert delivery["requested_by"] == str(site.manager)
    await site.project()


async def test_a_property_may_be_called_anything(site: Site) -> None:
    async with site.world.pool.acquire() as conn:
        await conn.execute("UPDATE properties SET name = '{{x}} \" House}}'")
    lead = await site.lead()
    body = {"channel": "email", "message": "{{property_name}}"}
    assert (await send(site, lead, body)).status_code == 200
    (delivery,) = await planned(site)
    assert delivery["subject"] == 'Message from {{x}} " House}}'
    assert delivery["body"] == '{{x}} " House}}'


async def test_an_old_client_s_blanks_are_no_values(site: Site) -> None:
    lead = await site.lead(phone=PHONE)
    await template(site, body="Hi from {{property_name}}")
    body = {"channel": "sms", "message": "", "templateSlug": "hello", "subject": ""}
    assert (await send(site, lead, body)).status_code == 200
    (delivery,) = await planned(site)
    assert (delivery["body"], delivery["recipient"]) == ("Hi from House 0", PHONE)
    assert delivery["template_version"] == 1
    assert "subject" not in delivery


async def test_a_template_speaks_of_the_lead_s_next_tour(site: Site) -> None:
    lead = await site.lead(firstName="{{last_name}}", lastName="Lovelace")
    await template(
        site, channel="email", subject="See you, {{first_name}}",
        body="{{first_name}} {{tour_type}} {{tour_time}}",
    )  # fmt: skip
    body = {"channel": "email", "templateSlug": "hello"}
    answer = await send(site, lead, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "missing_value")
    assert answer.json()["variables"] == ["tour_type", "tour_time"]
    assert await planned(site) == []
    tour = await site.tour(lead, tourTime="14:30", tourType="virtual")
    await site.client.delete(
        f"/api/leads/{lead}/tours", params={"tourId": tour["id"]}, headers=site.console()
    )
    assert (await send(site, lead, body)).status_code == 422
    await site.tour(lead, tourTime="09:05")
    assert (await send(site, lead, body)).status_code == 200
    (delivery,) = await planned(site)
    assert delivery["body"] == "{{last_name}} in person 9:05 AM"
    assert delivery["subject"] == "See you, {{last_name}}"


async def test_no_message_goes_to_somebody_who_wants_none_and_the_reason_is_kept(
    site: Site,
) -> None:
    lead = await site.lead(phone=PHONE)
    await site.world.append(site.world.new(ConsentWithdrawn(
        consent_id=consent_id(lead, ConsentChannel.SMS), lead_id=lead,
        channel=ConsentChannel.SMS, place="sms_reply", at=site.world.now, keyword="STOP",
    )))  # fmt: skip
    headers = site.console(more={"Idempotency-Key": "once"})
    body = {"channel": "sms", "message": "Hi"}
    answers = [await send(site, lead, body, headers=headers) for _ in range(2)]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (409, "no_consent")
        assert "withdrawn" in answer.json()["error"]
    first, second = await planned(site)
    assert first["delivery_id"] == second["delivery_id"] == answers[0].json()["messageId"]
    assert answers[0].json() == answers[1].json()
    assert second["reason"] == "no_consent"
    assert (await site.log())[-2:] == ["delivery.planned", "delivery.skipped"]
    assert (await send(site, lead, {"channel": "email", "message": "Hi"})).status_code == 200


async def test_a_key_sends_once(site: Site) -> None:
    lead = await site.lead()
    headers = site.console(more={"Idempotency-Key": "send"})
    body = {"channel": "email", "message": "Hi"}
    answers = await asyncio.gather(*(send(site, lead, body, headers=headers) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert len(await planned(site)) == 1


async def test_without_a_key_the_same_message_again_is_one_message(site: Site) -> None:
    """An older client sends again after a time-out; other words are another message."""
    lead = await site.lead()
    body = {"channel": "email", "message": "Hi"}
    answers = await asyncio.gather(*(send(site, lead, body) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert len(await planned(site)) == 1
    other = await send(site, lead, {**body, "message": "Hi again"})
    colleague = site.console(await employ(site.world, "admin"))
    theirs = await send(site, lead, body, headers=colleague)
    for key in ("one", "two"):
        await send(site, lead, body, headers=site.console(more={"Idempotency-Key": key}))
    assert len({answer.json()["messageId"] for answer in (answers[0], other, theirs)}) == 3
    assert len(await planned(site)) == 5


async def test_who_asked_before_a_window_turned_and_comes_second_says_nothing_new(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead = await site.lead()
    late = iter([timedelta(seconds=deliveries.RETRY_SECONDS), timedelta(0)])

    def at_its_time(person: UUID, lead_id: UUID, body: bytes, at: datetime) -> list[UUID]:
        return retry_ids(person, lead_id, body, at + next(late))

    monkeypatch.setattr(deliveries, "retry_ids", at_its_time)
    body = {"channel": "email", "message": "Hi"}
    answers = [await send(site, lead, body) for _ in range(2)]
    assert len({answer.text for answer in answers}) == 1
    assert len(await planned(site)) == 1


def test_a_retry_is_known_across_the_turn_of_the_window_and_not_for_ever() -> None:
    person, lead, at = uuid4(), uuid4(), datetime(2026, 3, 1, 12, 9, 59, tzinfo=UTC)
    first = retry_ids(person, lead, b"{}", at)[0]
    assert first in retry_ids(person, lead, b"{}", at + timedelta(minutes=10))
    assert first not in retry_ids(person, lead, b"{}", at + timedelta(minutes=20))
    assert first not in retry_ids(person, lead, b"[]", at)
    assert first not in retry_ids(uuid4(), lead, b"{}", at)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"channel": "sms", "message": "Hi"}, 400, "no_recipient"),
        ({"channel": "email"}, 400, "no_message"),
        ({"channel": "email", "message": " "}, 400, "no_message"),
        ({"channel": "email", "message": "Hi", "templateSlug": "hello"}, 400, "ambiguous_message"),
        ({"channel": "email", "templateSlug": "nothing"}, 404, "not_found"),
        ({"channel": "email", "templateSlug": "HELLO"}, 404, "not_found"),
        ({"channel": "email", "templateSlug": "retired"}, 404, "not_found"),
        ({"channel": "email", "templateSlug": "hello"}, 400, "template_channel"),
        ({"channel": "email", "message": "Hi {{name}}"}, 400, "unknown_variable"),
        ({"channel": "email", "message": "Hi {{first_name"}, 400, "malformed_variable"),
        ({"channel": "email", "message": "Hi {{first_name}}"}, 422, "missing_value"),
        ({"channel": "email", "message": "Hi", "subject": "{{tour_link}}"}, 422, "missing_value"),
        ({"channel": "email", "message": "x" * 20_001}, 400, "invalid"),
        ({"channel": "email", "message": "a\x00"}, 400, "invalid"),
        ({"channel": "fax", "message": "Hi"}, 400, "invalid"),
        ({"message": "Hi"}, 400, "invalid"),
    ],
    ids=str,
)
async def test_what_cannot_be_sent_is_refused_and_nothing_is_planned(
    site: Site, body: dict[str, Any], status: int, code: str
) -> None:
    lead = await site.lead()
    await template(site)
    retired = await template(site, "retired", channel="email", subject="x")
    await site.client.delete(f"{TEMPLATES}/{retired['id']}", headers=site.console())
    answer = await send(site, lead, body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await planned(site) == []


async def test_leads_of_others_are_not_found_and_viewers_do_not_write(site: Site) -> None:
    lead = await site.lead()
    stranger = await employ(await make_world(site.world.pool), "admin")
    body = {"channel": "email", "message": "Hi"}
    for who, status in ((site.viewer, 403), (stranger, 404), (uuid4(), 401)):
        answer = await send(site, lead, body, headers=site.console(who))
        assert answer.status_code == status
    nothing = await send(site, uuid4(), body)
    assert (nothing.status_code, nothing.json()["error"]) == (404, "lead not found")
    assert await planned(site) == []


async def test_a_property_of_another_house_lends_no_template(site: Site) -> None:
    """Slugs are of a property, not of an organisation."""
    async with site.world.pool.acquire() as conn:
        other = UUID(int=uuid4().int)
        await conn.execute(
            "INSERT INTO properties (id, org_id, name) VALUES ($1, $2, 'Other')",
            other,
            site.world.org_id,
        )
    await template(site, propertyId=str(other), channel="email", subject="x")
    lead = await site.lead()
    answer = await send(site, lead, {"channel": "email", "templateSlug": "hello"})
    assert answer.status_code == 404
    await template(site, channel="email", subject="x")
    answer = await send(site, lead, {"channel": "email", "templateSlug": "hello"})
    assert answer.status_code == 200
