"""The timeline of a lead, over HTTP."""

from typing import Any
from uuid import UUID, uuid4

from events.deliveries import DeliveryChannel, DeliveryClaimed, DeliveryPurpose
from tests.services.api.site import Site, create_profile
from tests.services.api.workflow_requests import (
    STEPS,
    create_definition,
    create_template,
    enroll_run,
)
from tests.world import make_world


async def test_the_timeline_lists_everything_newest_first_in_pages(site: Site) -> None:
    first = await site.send_chat("hello", leadInfo={"firstName": "Ada", "email": "ada@example.com"})
    await site.send_chat("more", sessionId=first["sessionId"])
    async with site.world.pool.acquire() as conn:
        lead = await conn.fetchval("SELECT owner FROM crm.claims WHERE kind = 'lead.email'")
    await site.book_tour(lead)
    await site.project()
    url = f"/api/leads/{lead}/timeline"
    whole = (
        await site.client.get(url, params={"limit": 200}, headers=site.console_headers())
    ).json()
    assert {item["kind"] for item in whole["items"]} == {
        "activity", "engagement", "score", "message", "tour",
    }  # fmt: skip
    assert whole["nextCursor"] is None
    pages, cursor = [], None
    while True:
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await site.client.get(url, params=query, headers=site.console_headers())).json()
        pages += page["items"]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert pages == whole["items"]
    assert [item["at"] for item in pages] == sorted((item["at"] for item in pages), reverse=True)
    activities = await site.client.get(
        f"/api/leads/{lead}/activities", headers=site.console_headers()
    )
    assert {"lead_created", "chat_started", "message_received", "tour_scheduled"} <= {
        activity["type"] for activity in activities.json()["activities"]
    }
    for kind in ("tour", "score"):
        query = {"kind": kind, "limit": 200}
        page = (await site.client.get(url, params=query, headers=site.console_headers())).json()
        assert page["items"] == [item for item in whole["items"] if item["kind"] == kind]
    for malformed in ("x", "e30", "WzEsMiwzXQ"):
        response = await site.client.get(
            url, params={"cursor": malformed}, headers=site.console_headers()
        )
        assert response.status_code == 400


async def read_planned(site: Site, lead: UUID) -> list[dict[str, Any]]:
    response = await site.client.get(
        f"/api/leads/{lead}/timeline", headers=site.console_headers(site.viewer)
    )
    planned: list[dict[str, Any]] = response.json()["planned"]
    return planned


async def plan_message(site: Site, lead: UUID) -> UUID:
    response = await site.client.post(
        f"/api/leads/{lead}/send-message", json={"channel": "email", "message": f"Hi {uuid4()}"},
        headers=site.console_headers(),
    )  # fmt: skip
    return UUID(response.json()["messageId"])


async def test_what_is_planned_is_on_the_first_page_and_can_be_cancelled(site: Site) -> None:
    lead = await site.create_lead()
    await create_template(site, "hello", channel="sms")
    definition = await create_definition(site, steps=[{**STEPS[0], "templateSlug": "hello"}])
    run = await enroll_run(site, lead, definition["id"])
    message = await plan_message(site, lead)
    tour = await site.book_tour(lead)
    await plan_message(site, await site.create_lead())
    await site.project()
    planned = {item["id"]: item for item in await read_planned(site, lead)}
    assert {key: item["kind"] for key, item in planned.items()} == {
        str(message): "message", str(run): "step", tour["id"]: "no_show_check",
    }  # fmt: skip
    assert planned[str(run)]["description"] == f"Greeting, step 1: {STEPS[0]['action']}"
    assert planned[str(run)]["template_slug"] == "hello"
    assert planned[str(message)]["description"] == "email (manual)"
    ats = [item["at"] for item in await read_planned(site, lead)]
    assert ats == sorted(ats)
    for number, item in enumerate(planned.values(), 1):
        cancel = item["cancel"]
        response = await site.client.request(
            cancel["method"], cancel["path"], json=cancel.get("body"),
            headers=site.console_headers(),
        )  # fmt: skip
        assert response.status_code == 200, response.text
        assert len(await read_planned(site, lead)) == 3 - number
    await site.project()
    items = (
        await site.client.get(f"/api/leads/{lead}/timeline", headers=site.console_headers())
    ).json()["items"]
    [delivery] = [item for item in items if item["kind"] == "delivery"]
    assert (delivery["id"], delivery["status"]) == (str(message), "skipped")
    assert (delivery["reason"], delivery["channel"]) == ("cancelled", "email")
    events = await site.read_event_types()
    assert {"delivery.skipped", "run.stopped", "tour.cancelled"} <= set(events)


async def test_the_person_who_cancelled_a_message_is_stored_once(site: Site) -> None:
    lead = await site.create_lead()
    message = await plan_message(site, lead)
    url = f"/api/leads/{lead}/deliveries/{message}"
    for _ in range(2):
        response = await site.client.delete(url, headers=site.console_headers())
        assert response.status_code == 200, response.text
    await site.project()
    response = await site.client.get(
        f"/api/leads/{lead}/deliveries", headers=site.console_headers()
    )
    [row] = response.json()["deliveries"]
    assert (row["status"], row["reason"]) == ("skipped", "cancelled")
    assert row["explanation"] == "not sent: a person cancelled the message"
    assert [step["person"] for step in row["history"]] == [str(site.manager)] * 2


async def test_a_message_that_is_on_its_way_or_of_another_lead_is_not_cancelled(
    site: Site,
) -> None:
    lead, other = await site.create_lead(), await site.create_lead()
    message = await plan_message(site, lead)
    stranger = await create_profile(await make_world(site.world.pool), "admin")
    for of_lead, key, profile, status in (
        (other, message, site.manager, 404), (lead, uuid4(), site.manager, 404),
        (lead, message, stranger, 404), (lead, message, site.viewer, 403),
    ):  # fmt: skip
        response = await site.client.delete(
            f"/api/leads/{of_lead}/deliveries/{key}", headers=site.console_headers(profile)
        )
        assert response.status_code == status, response.text
    await site.world.append(site.world.new(DeliveryClaimed(
        delivery_id=message, lead_id=lead, channel=DeliveryChannel.EMAIL,
        purpose=DeliveryPurpose.MANUAL, attempt=1, provider="smtp", lease_until=site.world.now,
    )))  # fmt: skip
    response = await site.client.delete(
        f"/api/leads/{lead}/deliveries/{message}", headers=site.console_headers()
    )
    assert (response.status_code, response.json()["code"]) == (409, "delivery_state")
    await site.project()
    assert await read_planned(site, lead) == []
