"""Messages that agents send to a lead, over HTTP: planned completely, or not at all."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from events.consents import ConsentChannel, ConsentWithdrawn, consent_id
from services.api.idempotency import MESSAGE_WINDOW, delivery_id_candidates
from services.api.routes import deliveries
from tests.services.api.site import Site, create_profile, create_second_property
from tests.services.api.workflow_requests import TEMPLATES, create_template, post
from tests.stored_events import read_stored_events
from tests.world import make_world

PHONE = "+12125550123"


async def send(
    site: Site, lead: object, body: Any, headers: dict[str, str] | None = None
) -> httpx2.Response:
    return await post(site, f"/api/leads/{lead}/send-message", body, headers)


async def read_deliveries(site: Site) -> list[dict[str, Any]]:
    """Return the payloads of all delivery events, in the order of the log."""
    rows = await read_stored_events(site.world.pool, "entity_type = 'delivery'")
    return [row["payload"] for row in rows]


async def test_a_message_is_planned_with_its_recipient_and_text(site: Site) -> None:
    lead = await site.create_lead(email="ada@example.com", firstName="Ada")
    response = await send(site, lead, {"channel": "email", "message": "Hello {{first_name}} :-}"})
    assert response.status_code == 200, response.text
    body = response.json()
    assert body == {"success": True, "messageId": body["messageId"], "channel": "email",
                    "status": "planned"}  # fmt: skip
    (delivery,) = await read_deliveries(site)
    assert delivery["delivery_id"] == body["messageId"]
    assert (delivery["recipient"], delivery["body"], delivery["purpose"]) == (
        "ada@example.com", "Hello Ada :-}", "manual",
    )  # fmt: skip
    assert delivery["subject"] == "Message from Alder 0"
    assert delivery["requested_by"] == str(site.manager)
    await site.project()


async def test_a_property_name_is_not_read_as_a_template(site: Site) -> None:
    async with site.world.pool.acquire() as conn:
        await conn.execute("UPDATE properties SET name = '{{x}} \" House}}'")
    lead = await site.create_lead()
    body = {"channel": "email", "message": "{{property_name}}"}
    assert (await send(site, lead, body)).status_code == 200
    (delivery,) = await read_deliveries(site)
    assert delivery["subject"] == 'Message from {{x}} " House}}'
    assert delivery["body"] == '{{x}} " House}}'


async def test_empty_strings_count_as_missing_fields(site: Site) -> None:
    lead = await site.create_lead(phone=PHONE)
    await create_template(site, body="Hi from {{property_name}}")
    body = {"channel": "sms", "message": "", "templateSlug": "hello", "subject": ""}
    assert (await send(site, lead, body)).status_code == 200
    (delivery,) = await read_deliveries(site)
    assert (delivery["body"], delivery["recipient"]) == ("Hi from Alder 0", PHONE)
    assert delivery["template_version"] == 1
    assert "subject" not in delivery


async def test_a_template_is_filled_with_the_lead_s_next_tour(site: Site) -> None:
    lead = await site.create_lead(firstName="{{last_name}}", lastName="Lovelace")
    await create_template(
        site, channel="email", subject="See you, {{first_name}}",
        body="{{first_name}} {{tour_type}} {{tour_time}}",
    )  # fmt: skip
    body = {"channel": "email", "templateSlug": "hello"}
    response = await send(site, lead, body)
    assert (response.status_code, response.json()["code"]) == (422, "missing_value")
    assert response.json()["variables"] == ["tour_type", "tour_time"]
    assert await read_deliveries(site) == []
    tour = await site.book_tour(lead, tourTime="14:30", tourType="virtual")
    await site.client.delete(
        f"/api/leads/{lead}/tours", params={"tourId": tour["id"]}, headers=site.console_headers()
    )
    assert (await send(site, lead, body)).status_code == 422
    await site.book_tour(lead, tourTime="09:05")
    assert (await send(site, lead, body)).status_code == 200
    (delivery,) = await read_deliveries(site)
    assert delivery["body"] == "{{last_name}} in person 9:05 AM"
    assert delivery["subject"] == "See you, {{last_name}}"


async def test_a_message_without_consent_is_skipped_and_its_reason_is_recorded(
    site: Site,
) -> None:
    lead = await site.create_lead(phone=PHONE)
    await site.world.append(site.world.new(ConsentWithdrawn(
        consent_id=consent_id(lead, ConsentChannel.SMS), lead_id=lead,
        channel=ConsentChannel.SMS, place="sms_reply", at=site.world.now, keyword="STOP",
    )))  # fmt: skip
    headers = site.console_headers(more={"Idempotency-Key": "once"})
    body = {"channel": "sms", "message": "Hi"}
    responses = [await send(site, lead, body, headers=headers) for _ in range(2)]
    for response in responses:
        assert (response.status_code, response.json()["code"]) == (409, "no_consent")
        assert "withdrawn" in response.json()["error"]
    planned, skipped = await read_deliveries(site)
    assert planned["delivery_id"] == skipped["delivery_id"] == responses[0].json()["messageId"]
    assert responses[0].json() == responses[1].json()
    assert skipped["reason"] == "no_consent"
    assert (await site.read_event_types())[-2:] == ["delivery.planned", "delivery.skipped"]
    assert (await send(site, lead, {"channel": "email", "message": "Hi"})).status_code == 200


async def test_requests_with_one_key_send_one_message(site: Site) -> None:
    lead = await site.create_lead()
    headers = site.console_headers(more={"Idempotency-Key": "send"})
    body = {"channel": "email", "message": "Hi"}
    responses = await asyncio.gather(*(send(site, lead, body, headers=headers) for _ in range(5)))
    assert {response.status_code for response in responses} == {200}
    assert len({response.text for response in responses}) == 1
    assert len(await read_deliveries(site)) == 1


async def test_a_repeated_message_without_a_key_is_one_message(site: Site) -> None:
    """An older client repeats a request after a time-out; another text is another message."""
    lead = await site.create_lead()
    body = {"channel": "email", "message": "Hi"}
    responses = await asyncio.gather(*(send(site, lead, body) for _ in range(4)))
    assert {response.status_code for response in responses} == {200}
    assert len({response.text for response in responses}) == 1
    assert len(await read_deliveries(site)) == 1
    other_text = await send(site, lead, {**body, "message": "Hi again"})
    colleague = site.console_headers(await create_profile(site.world, "admin"))
    by_colleague = await send(site, lead, body, headers=colleague)
    for key in ("one", "two"):
        await send(site, lead, body, headers=site.console_headers(more={"Idempotency-Key": key}))
    assert (
        len({response.json()["messageId"] for response in (responses[0], other_text, by_colleague)})
        == 3
    )
    assert len(await read_deliveries(site)) == 5


async def test_a_repetition_whose_clock_is_in_the_previous_window_is_one_message(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead = await site.create_lead()
    delays = iter([MESSAGE_WINDOW, timedelta(0)])

    def delayed_candidates(user_id: UUID, lead_id: UUID, body: bytes, at: datetime) -> list[UUID]:
        return delivery_id_candidates(user_id, lead_id, body, at + next(delays))

    monkeypatch.setattr(deliveries, "delivery_id_candidates", delayed_candidates)
    body = {"channel": "email", "message": "Hi"}
    responses = [await send(site, lead, body) for _ in range(2)]
    assert len({response.text for response in responses}) == 1
    assert len(await read_deliveries(site)) == 1


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
async def test_an_invalid_message_is_refused_and_nothing_is_planned(
    site: Site, body: dict[str, Any], status: int, code: str
) -> None:
    lead = await site.create_lead()
    await create_template(site)
    retired = await create_template(site, "retired", channel="email", subject="x")
    await site.client.delete(f"{TEMPLATES}/{retired['id']}", headers=site.console_headers())
    response = await send(site, lead, body)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert await read_deliveries(site) == []


async def test_leads_of_other_organisations_are_not_found_and_viewers_cannot_send(
    site: Site,
) -> None:
    lead = await site.create_lead()
    other_admin = await create_profile(await make_world(site.world.pool), "admin")
    body = {"channel": "email", "message": "Hi"}
    for profile_id, status in ((site.viewer, 403), (other_admin, 404), (uuid4(), 401)):
        response = await send(site, lead, body, headers=site.console_headers(profile_id))
        assert response.status_code == status
    unknown = await send(site, uuid4(), body)
    assert (unknown.status_code, unknown.json()["error"]) == (404, "lead not found: check its id")
    assert await read_deliveries(site) == []


async def test_a_template_of_another_property_is_not_found(site: Site) -> None:
    """A slug belongs to a property, not to an organisation."""
    other = await create_second_property(site.world)
    await create_template(site, propertyId=str(other), channel="email", subject="x")
    lead = await site.create_lead()
    response = await send(site, lead, {"channel": "email", "templateSlug": "hello"})
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    await create_template(site, channel="email", subject="x")
    response = await send(site, lead, {"channel": "email", "templateSlug": "hello"})
    assert response.status_code == 200
