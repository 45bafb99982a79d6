"""Routes of data protection: restrictions, corrections and exports, for admins only."""

from typing import Any
from uuid import UUID, uuid4

import httpx2
import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.privacy.documents import read_log
from services.privacy.erasure_completion import complete_erasures
from services.privacy.person_document import export_json
from services.privacy.person_export import find_person, snapshot_engine
from tests.services.api.site import Site, create_profile
from tests.world import make_world


async def request(
    site: Site, lead_id: UUID, action: str, profile: UUID | None = None, **body: Any
) -> httpx2.Response:
    return await site.client.post(
        f"/api/privacy/leads/{lead_id}/{action}", json={"reason": "a dispute", **body},
        headers=site.console_headers(profile or site.admin),
    )  # fmt: skip


async def get(site: Site, path: str, **query: str) -> Any:
    response = await site.client.get(path, params=query, headers=site.console_headers())
    assert response.status_code == 200, response.text
    return response.json()


async def listed(site: Site) -> dict[str, Any]:
    await site.project()
    [lead] = (await get(site, "/api/leads", propertyId=str(site.property_id)))["leads"]
    row: dict[str, Any] = lead
    return row


async def engage(site: Site, lead_id: UUID) -> None:
    body = {"leadId": str(lead_id), "eventType": "application_submitted"}
    response = await site.client.post(
        "/api/leadpulse/events", json=body, headers=site.console_headers()
    )
    assert response.status_code == 200, response.text


async def test_a_restricted_lead_is_shown_with_its_mark_and_its_last_score(site: Site) -> None:
    lead_id = await site.create_lead()
    score = (await listed(site))["score"]
    response = await request(site, lead_id, "restrict")
    assert response.status_code == 200, response.text
    marked = response.json()["lead"]["restricted_at"]
    await engage(site, lead_id)
    lead = await listed(site)
    assert (lead["restricted_at"], lead["score"]) == (marked, score)
    current = await get(site, "/api/leadpulse/score", leadId=str(lead_id))
    assert (current["score"]["totalScore"], current["isNew"]) == (score, False)
    assert (await request(site, lead_id, "unrestrict")).json()["lead"]["restricted_at"] is None
    lead = await listed(site)
    assert (lead["restricted_at"], lead["score"] > score) == (None, True)
    current = await get(site, "/api/leadpulse/score", leadId=str(lead_id))
    assert current["score"]["totalScore"] == lead["score"]


async def test_no_message_to_a_restricted_lead_is_accepted(site: Site) -> None:
    lead_id = await site.create_lead()
    await request(site, lead_id, "restrict")
    response = await site.client.post(
        f"/api/leads/{lead_id}/send-message", json={"channel": "email", "message": "Hi"},
        headers=site.console_headers(),
    )  # fmt: skip
    assert (response.status_code, response.json()["code"]) == (409, "restricted")
    await site.project()
    assert await site.world.count("deliveries WHERE status = 'skipped'") == 1


@pytest.mark.parametrize("action", ["restrict", "unrestrict"])
async def test_only_an_admin_of_the_organisation_may_change_it(site: Site, action: str) -> None:
    lead_id = await site.create_lead()
    for profile in (site.manager, site.viewer):
        assert (await request(site, lead_id, action, profile)).status_code == 403
    assert (await request(site, uuid4(), action)).status_code == 404
    assert (await request(site, lead_id, action, reason="")).status_code == 400


async def test_the_events_have_the_reason_and_the_admin_as_actor(site: Site) -> None:
    lead_id, admin = await site.create_lead(), await create_profile(site.world, "admin")
    await request(site, lead_id, "restrict", admin)
    await request(site, lead_id, "unrestrict", admin, reason="it is settled")
    rows = await site.world.pool.fetch(
        "SELECT event_type, actor, payload FROM crm_events WHERE lead_id = $1 ORDER BY seq DESC "
        "LIMIT 2", lead_id,
    )  # fmt: skip
    assert [row["event_type"] for row in rows] == ["lead.restriction_lifted", "lead.restricted"]
    assert all(str(admin) in row["actor"] for row in rows)
    assert rows[0]["payload"]["lifted_by"] == rows[1]["payload"]["restricted_by"] == str(admin)


async def test_a_correction_is_an_update_with_a_record_of_the_request(site: Site) -> None:
    lead_id = await site.create_lead(firstName="Adda")
    response = await request(site, lead_id, "rectify", firstName="Ada", phone="(212) 555-0100")
    assert response.status_code == 200, response.text
    lead = response.json()["lead"]
    assert (lead["first_name"], lead["phone"]) == ("Ada", "+12125550100")
    assert (await site.read_event_types())[-2:] == ["lead.updated", "lead.rectified"]
    payload = await site.world.pool.fetchval(
        "SELECT payload FROM crm_events WHERE event_type = 'lead.rectified'"
    )
    assert (payload["fields"], payload["rectified_by"]) == (
        ["first_name", "phone"], str(site.admin),
    )  # fmt: skip
    await request(site, lead_id, "rectify", firstName="Ada")
    assert (await site.read_event_types()).count("lead.rectified") == 1


async def test_a_correction_is_refused_like_a_change(site: Site) -> None:
    lead_id = await site.create_lead()
    await site.create_lead(email="eve@example.com")
    refused: list[tuple[dict[str, Any], int, str]] = [
        ({"email": "eve@example.com"}, 409, "known_lead"),
        ({"email": "nobody"}, 400, "invalid_email"),
        ({}, 400, "invalid"),
        ({"reason": "", "firstName": "Ada"}, 400, "invalid"),
    ]
    for body, status, code in refused:
        response = await request(site, lead_id, "rectify", **body)
        assert (response.status_code, response.json()["code"]) == (status, code), body
    assert (await request(site, lead_id, "rectify", site.manager, email=None)).status_code == 403


async def export(
    site: Site, lead_id: UUID, profile: UUID | None = None, **query: str
) -> httpx2.Response:
    return await site.client.get(
        f"/api/privacy/leads/{lead_id}/export", params=query,
        headers=site.console_headers(profile or site.admin),
    )  # fmt: skip


async def test_an_admin_exports_what_a_worker_reads(site: Site, engine: AsyncEngine) -> None:
    """Row level security hides no row of the organisation from an admin."""
    lead_id = await site.create_lead(firstName="Ada")
    await site.send_chat("Hello", leadInfo={"email": "eve@example.com"})
    eve = await site.find_lead("eve@example.com")
    await site.book_tour(eve)
    await site.project()
    for person_id in (lead_id, eve):
        response = await export(site, person_id)
        assert response.status_code == 200, response.text
        assert response.headers["Cache-Control"] == "no-store"
        assert f"person-{person_id}.json" in response.headers["Content-Disposition"]
        async with snapshot_engine(engine).begin() as conn, read_log(site.world.pool) as log:
            person = await find_person(conn, site.world.org_id, person_id)
            assert person is not None
            parts = [part async for part in export_json(conn, log, person, site.world.now)]
        document = orjson.loads(b"".join(parts))
        assert response.json()["tables"] == document["tables"]
        assert response.json()["records"] == document["records"]
    page = await export(site, eve, format="html")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "eve@example.com" in page.text
    assert "End of the data" in page.text
    assert (await site.read_event_types())[-3:] == ["lead.exported"] * 3


async def test_nobody_else_exports_a_person(site: Site) -> None:
    lead_id = await site.create_lead()
    await site.project()
    for profile in (site.manager, site.viewer):
        assert (await export(site, lead_id, profile)).status_code == 403
    other = await create_profile(await make_world(site.world.pool), "admin")
    for profile, key in ((other, lead_id), (site.admin, uuid4())):
        assert (await export(site, key, profile)).status_code == 404
    assert "lead.exported" not in await site.read_event_types()


async def test_an_admin_sees_what_an_erasure_erases_and_how_far_it_is(site: Site) -> None:
    lead_id = await site.create_lead(firstName="Ada")
    await site.project()

    async def status() -> dict[str, Any]:
        response = await site.client.get(
            f"/api/privacy/leads/{lead_id}/erasure", headers=site.console_headers(site.admin)
        )
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    before = await status()
    assert before["erasures"] == []
    assert {"table": "public.leads", "rows": 1, "readable": 1} in before["tables"]
    response = await request(site, lead_id, "erasure", reason="request 7")
    assert response.status_code == 202, response.text
    assert response.json() == {"leadIds": [str(lead_id)], "state": "appended"}
    assert [erasure["state"] for erasure in (await status())["erasures"]] == ["appended"]
    early = await site.client.get(
        f"/api/privacy/leads/{lead_id}/certificate", headers=site.console_headers(site.admin)
    )
    assert (early.status_code, early.json()["code"]) == (409, "not_erased")
    await site.project()
    assert await complete_erasures(site.world.pool, site.world.now) == []
    after = await status()
    [erasure] = after["erasures"]
    assert (erasure["state"], erasure["keysLeft"]) == ("completed", 0)
    assert {table["readable"] for table in after["tables"]} == {0}
    response = await site.client.get(
        f"/api/privacy/leads/{lead_id}/certificate", headers=site.console_headers(site.admin)
    )
    assert response.status_code == 200, response.text
    assert response.json()["is_unreadable"] is True


async def test_only_an_admin_erases_a_person(site: Site) -> None:
    lead_id = await site.create_lead()
    for profile in (site.manager, site.viewer):
        assert (await request(site, lead_id, "erasure", profile)).status_code == 403
    other = await create_profile(await make_world(site.world.pool), "admin")
    assert (await request(site, lead_id, "erasure", other)).status_code == 404
    assert (await request(site, lead_id, "erasure", reason="")).status_code == 400
    assert "lead.erased" not in await site.read_event_types()
