"""The preview of a template over HTTP: the text of the renderer that sends, and what is missing."""

from typing import Any
from uuid import UUID, uuid4

import httpx2

from tests.services.api.site import Site
from tests.services.api.workflow_requests import TEMPLATES, create_template, post

BODY = "Hi {{first_name}}, see you on {{tour_date}}."


async def preview(site: Site, template: str, lead: UUID) -> httpx2.Response:
    return await site.client.get(
        f"{TEMPLATES}/{template}/preview", params={"leadId": str(lead)},
        headers=site.console_headers(site.viewer),
    )  # fmt: skip


async def test_a_preview_is_the_text_that_is_sent(site: Site) -> None:
    lead = await site.create_lead(firstName="Ada {{x}}", phone="+12125550123")
    template = await create_template(site, body="Hi {{first_name}}!")
    found = (await preview(site, template["id"], lead)).json()
    assert (found["body"], found["missing"]) == ("Hi Ada {{x}}!", [])
    sent = await post(
        site, f"/api/leads/{lead}/send-message", {"channel": "sms", "templateSlug": "hello"}
    )
    async with site.world.pool.acquire() as conn:
        count = await conn.fetchval(
            "SELECT count(*) FROM crm_events WHERE entity_id = $1", UUID(sent.json()["messageId"])
        )
    assert count == 1


async def test_a_missing_value_is_shown_and_named(site: Site) -> None:
    lead = await site.create_lead(firstName="Ada")
    template = await create_template(site, body=BODY, isActive=False)
    found: dict[str, Any] = (await preview(site, template["id"], lead)).json()
    assert found["body"] == "Hi Ada, see you on {{tour_date}}."
    assert (found["missing"], found["values"]) == (["tour_date"], {"first_name": "Ada"})
    await site.book_tour(lead)
    assert (await preview(site, template["id"], lead)).json()["missing"] == []


async def test_an_unknown_lead_or_template_is_404(site: Site) -> None:
    template = await create_template(site)
    assert (await preview(site, template["id"], uuid4())).status_code == 404
    assert (await preview(site, str(uuid4()), await site.create_lead())).status_code == 404
