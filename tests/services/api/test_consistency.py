"""Consistency tokens: a read waits for the write of its token."""

import asyncio
import time
from uuid import uuid4

from events.log.token import Token
from services.runtime.settings import Settings
from tests.services.api.consistency_tokens import make_token
from tests.services.api.site import Site, open_api


async def test_a_read_waits_for_the_write_of_its_token(site: Site, settings: Settings) -> None:
    body = {"propertyId": str(site.property_id), "email": "a@b.co"}
    created = await site.client.post("/api/leads", json=body, headers=site.console_headers())
    lead, token = created.json()["lead"]["id"], created.headers["X-CRM-Token"]
    url = f"/api/leads/{lead}/activities"
    started = time.monotonic()
    too_early = await site.client.get(
        url, headers=site.console_headers(more={"X-CRM-Token": token})
    )
    assert 0.3 <= time.monotonic() - started < 4, "token_wait_seconds"
    assert (too_early.status_code, too_early.json()["code"]) == (503, "not_there_yet")
    assert "is stored" in too_early.json()["error"]
    assert "not the write" in too_early.json()["error"]
    assert int(too_early.headers["Retry-After"]) > 0

    query, headers = {"after_token": token}, site.console_headers()
    patient_settings = settings.model_copy(update={"token_wait_seconds": 60})
    async with open_api(patient_settings, site.responder) as patient:
        reading = asyncio.create_task(patient.get(url, params=query, headers=headers))
        await site.project()
        assert (await reading).status_code == 200
    assert (await site.client.get(url, params=query, headers=headers)).status_code == 200


async def test_a_malformed_consistency_token_is_400(site: Site) -> None:
    lead = await site.create_lead()
    await site.project()
    url = f"/api/leads/{lead}/activities"
    for token, code in (
        ("x", "malformed_token"), ("é", "malformed_token"), ("=" * 20, "malformed_token"),
        ("A" * 150, "malformed_token"), ("A" * 201, "invalid"),
        (await make_token(site, Token(99, 0, uuid4())), "token_of_another_generation"),
    ):  # fmt: skip
        response = await site.client.get(
            url, params={"after_token": token}, headers=site.console_headers()
        )
        assert (response.status_code, response.json()["code"]) == (400, code), token
