"""Engagements of leads (LeadPulse) over HTTP."""

from uuid import uuid4

import httpx2
import pytest

from tests.json_texts import READ_TEXTS, REFUSED_TEXTS
from tests.services.api.site import Site
from tests.stored_events import read_stored_events

ENGAGEMENTS = "/api/leadpulse/events"


async def test_an_engagement_is_recorded_and_listed(site: Site) -> None:
    lead = await site.create_lead()
    body = {"leadId": str(lead), "eventType": "email_clicked", "metadata": {"campaign": "fall"}}
    response = await site.client.post(ENGAGEMENTS, json=body, headers=site.console_headers())
    assert response.status_code == 200
    assert response.json()["success"] is response.json()["rescored"] is True
    event = response.json()["event"]
    assert (event["leadId"], event["eventType"], event["scoreWeight"]) == (
        str(lead), "email_clicked", 15,
    )  # fmt: skip
    await site.project()
    listed = await site.client.get(
        ENGAGEMENTS, params={"leadId": str(lead)}, headers=site.console_headers()
    )
    row = listed.json()["events"][0]
    assert row["id"] == event["id"]
    assert row["metadata"] == {"campaign": "fall"}
    assert row["createdAt"] == event["createdAt"]


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("sneezed", "unknown_event_type"), ("", "unknown_event_type"),
        ("tour_completed", "derived_event_type"), ("chat_started", "derived_event_type"),
    ],
)  # fmt: skip
async def test_an_unknown_or_derived_type_is_400(site: Site, kind: str, code: str) -> None:
    body = {"leadId": str(await site.create_lead()), "eventType": kind}
    response = await site.client.post(ENGAGEMENTS, json=body, headers=site.console_headers())
    assert (response.status_code, response.json()["code"]) == (400, code)


async def test_an_engagement_of_an_unknown_lead_is_not_found(site: Site) -> None:
    body = {"leadId": str(uuid4()), "eventType": "email_opened"}
    response = await site.client.post(ENGAGEMENTS, json=body, headers=site.console_headers())
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_an_expired_idempotency_key_can_be_used_again(site: Site) -> None:
    lead, headers = await site.create_lead(), site.console_headers(more={"Idempotency-Key": "one"})
    for kind in ("email_opened", "email_opened", "price_check"):
        body = {"leadId": str(lead), "eventType": kind}
        assert (await site.client.post(ENGAGEMENTS, json=body, headers=headers)).status_code == 200
        await site.world.pool.execute("UPDATE crm.commands SET expires_at = '2020-01-01'")
    assert (await site.read_event_types()).count("engagement.recorded") == 3


async def test_doubtful_json_is_refused_and_numbers_are_read_as_on_the_intake(site: Site) -> None:
    lead = await site.create_lead()
    headers = site.console_headers(more={"Content-Type": "application/json"})

    async def post(metadata: bytes) -> httpx2.Response:
        start = b'{"leadId": "%s", "eventType": "price_check", "metadata": ' % str(lead).encode()
        return await site.client.post(ENGAGEMENTS, content=start + metadata + b"}", headers=headers)

    for kind, (text, _) in REFUSED_TEXTS.items():
        response = await post(text)
        assert (response.status_code, response.json()["code"]) == (400, "malformed_json"), kind
    for text, _ in READ_TEXTS.values():
        assert (await post(text)).status_code == 200
    stored = await read_stored_events(site.world.pool, "event_type = 'engagement.recorded'")
    values = [row["payload"]["metadata"]["a"] for row in stored]
    assert values == [value for _, value in READ_TEXTS.values()]
