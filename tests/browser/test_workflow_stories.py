"""The story of a workflow's day: it is activated, a lead arrives, and its first message is sent."""

from events.deliveries import DeliveryChannel
from tests.browser.conftest import OpenScreen
from tests.browser.log_events import Row, read_api, read_event
from tests.browser.running_stack import RunningStack
from tests.browser.test_widget import open_widget
from tests.conftest import until
from tests.services.api.site import Site
from tests.services.api.workflow_requests import (
    DEFINITIONS,
    create_definition,
    create_template,
    post,
)

STEPS = [
    {"id": "hello", "delayHours": 0, "action": "email", "templateSlug": "hello"},
    {"id": "rest", "delay_hours": 24, "action": "wait"},
]


async def test_a_lead_goes_through_an_active_workflow(
    site: Site, stack: RunningStack, screen_of: OpenScreen
) -> None:
    await create_template(
        site, channel="email", subject="Welcome", body="Hi {{first_name}}, come and see us."
    )
    definition = await create_definition(site, steps=STEPS)
    response = await post(site, f"{DEFINITIONS}/{definition['id']}/activate", {})
    assert response.is_success, response.text
    await site.project()
    activated = await read_event(site, "workflow.activated")
    assert activated["actor"] == f"user:{site.manager}"
    async with screen_of(site.manager) as agent, screen_of(site.viewer) as visitor:
        await agent.open(f"/console/properties/{site.property_id}/leads")
        await agent.page.locator("#live[data-state=on]").wait_for()
        panel = await open_widget(visitor, site)
        await panel.get_by_role("button", name="Contact us").click()
        await panel.get_by_label("First name").fill("Ada")
        await panel.get_by_label("E-mail").fill("ada@acme.example")
        await panel.get_by_role("button", name="Send").click()
        await agent.page.get_by_role("link", name="Ada").first.click()
        await agent.page.locator("#live[data-state=on]").wait_for()
        requests = stack.providers[DeliveryChannel.EMAIL].requests
        await until(lambda: any(one.recipient == "ada@acme.example" for one in requests))
        [sent] = [one for one in requests if one.recipient == "ada@acme.example"]
        assert "Hi Ada, come and see us." in sent.body
        run = agent.page.locator("[id^=run-]")
        await run.get_by_text("Greeting").wait_for()
        await agent.page.locator("[id^=delivery-]").get_by_text("handed over").wait_for()
        assert await agent.find_barriers() == []
        await agent.save("story-workflow")
    planned = await read_event(site, "delivery.planned")
    lead = planned["lead_id"]
    assert planned["actor"] == "timer"
    [row] = (await read_api(site, f"/api/leads/{lead}/workflow"))["runs"]
    assert (row["definition_name"], row["status"]) == ("Greeting", "active")
    deliveries: list[Row] = (await read_api(site, f"/api/leads/{lead}/deliveries"))["deliveries"]
    assert [(one["status"], one["runId"]) for one in deliveries] == [("sent", row["id"])]
