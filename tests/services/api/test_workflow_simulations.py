"""The simulation of a workflow over HTTP: each step with its time and reason, and no write."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2

from tests.services.api.site import Site
from tests.services.api.workflow_requests import (
    DEFINITIONS,
    create_definition,
    create_template,
    enroll_run,
)

STARTS_AT = "2036-05-14T03:00:00+00:00"
"""23:00 in New York, where no message is sent."""


async def simulate(site: Site, definition: str, lead: UUID, **query: Any) -> httpx2.Response:
    return await site.client.get(
        f"{DEFINITIONS}/{definition}/simulation", params={"leadId": str(lead), **query},
        headers=site.console_headers(site.viewer),
    )  # fmt: skip


async def count_events(site: Site) -> int:
    async with site.world.pool.acquire() as conn:
        return int(await conn.fetchval("SELECT count(*) FROM crm_events"))


async def test_each_step_has_its_minute_and_the_rule_that_holds_it(site: Site) -> None:
    await create_template(site)
    definition = await create_definition(site)
    lead = await site.create_lead(phone="+12125550123")
    before = await count_events(site)
    found = (await simulate(site, definition["id"], lead, startsAt=STARTS_AT)).json()
    assert (found["version"], found["obstacle"]) == (1, None)
    hello, rest = found["steps"]
    due_at = datetime.fromisoformat(hello["at"])
    assert due_at - datetime.fromisoformat(STARTS_AT) == timedelta(minutes=15)
    assert (hello["rule"], hello["stepId"], hello["action"]) == ("quiet_hours", "hello", "sms")
    assert hello["reason"] == "messages are not sent at this hour where the person is"
    assert datetime.fromisoformat(hello["sentAt"]) > due_at
    assert (rest["outcome"], rest["sentAt"], rest["reason"]) == ("waited", None, None)
    assert await count_events(site) == before


async def test_a_missing_template_and_a_second_run_are_named(site: Site) -> None:
    definition = await create_definition(site)
    lead = await site.create_lead()
    await enroll_run(site, lead, definition["id"])
    found = (await simulate(site, definition["id"], lead)).json()
    assert found["obstacle"]["code"] == "already_enrolled"
    assert "template not found" in found["steps"][0]["reason"]
    assert found["steps"][0]["outcome"] == "failed"


async def test_an_unknown_lead_is_404(site: Site) -> None:
    definition = await create_definition(site)
    assert (await simulate(site, definition["id"], uuid4())).status_code == 404
