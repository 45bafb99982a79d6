"""Stories of operators: a refused record becomes a lead, and a rebuild is compared and swapped."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import orjson
from aiokafka import AIOKafkaProducer

from events.bus.topics import Topics
from services.replay_worker import replay_worker
from tests.browser.conftest import OpenScreen
from tests.browser.log_events import Row, read_api, read_event
from tests.browser.running_stack import RunningStack
from tests.browser.screens import Screen
from tests.browser.test_lead_stories import submit
from tests.races.processes import run_processes
from tests.services.api.site import Site
from tests.services.intake.producer_records import binary_headers, captured

REBUILD = "/console/projections/rebuild?names=lead_activities"
WORK_MS = 30_000
"""A rebuild folds in processes of its own, which start slowly on a machine at work."""


async def open_with_reason(screen: Screen, path: str, reason: str) -> None:
    """Open a form of operators and write the reason."""
    assert await screen.open(path) == 200
    await screen.page.get_by_role("textbox", name="Reason").fill(reason)


async def send_record(
    stack: RunningStack, site: Site, event_type: str, data: Mapping[str, object]
) -> None:
    """Send an event to the intake, as a producer does."""
    producer = AIOKafkaProducer(bootstrap_servers=stack.settings.kafka_bootstrap_servers)
    await producer.start()
    try:
        await producer.send_and_wait(
            Topics.of(stack.settings.topic_prefix).intake, orjson.dumps(data),
            headers=list(binary_headers(event_type, site.property_id, source="/portal")),
        )  # fmt: skip
    finally:
        await producer.stop()


async def read_action(site: Site, action: str) -> Row:
    """Return the newest recorded action of operators of a kind."""
    row = await site.world.pool.fetchrow(
        "SELECT * FROM crm.operator_actions WHERE action = $1 ORDER BY acted_at DESC LIMIT 1",
        action,
    )
    assert row is not None, action
    return dict(row)


async def test_a_refused_record_is_processed_again_and_an_agent_sees_it(
    site: Site, stack: RunningStack, screen_of: OpenScreen
) -> None:
    lead, author = uuid4(), uuid4()
    note = {
        "activity_id": str(uuid4()), "lead_id": str(lead), "type": "note",
        "description": "Wants parking", "created_by": str(author),
    }  # fmt: skip
    async with screen_of() as operator, screen_of(site.manager) as agent:
        await agent.open(f"/console/properties/{site.property_id}/leads")
        await agent.page.locator("#live[data-state=on]").wait_for()
        await send_record(stack, site, "lead.captured", captured(lead))
        await agent.page.get_by_role("link", name="Grace").click()
        await agent.page.locator("#live[data-state=on]").wait_for()
        await send_record(stack, site, "activity.recorded", note)
        await operator.open(f"/console/refused?kind=dead&property={site.property_id}")
        await wait_for_row(operator, "activity.recorded")
        await operator.page.locator("tr[data-row] a").first.click()
        assert "activity.recorded was refused" in await operator.answer()
        assert "no profile" in await operator.answer()
        await operator.save("story-refused")
        assert await agent.page.get_by_text("Wants parking").count() == 0

        await create_agent(site, author)
        await operator.page.get_by_role("link", name="Redrive it").click()
        await operator.page.locator("dialog[open]").get_by_text("1 open record").wait_for()
        await operator.page.get_by_role("textbox", name="Reason").fill("The profile exists now")
        assert "processed again" in await submit(operator)
        await operator.page.get_by_text("accepted: 1").wait_for()
        await agent.page.get_by_text("Wants parking").wait_for()
        assert await agent.page.get_by_text("by Kim").count() == 1
        await operator.save("story-redriven")
        assert await operator.find_barriers() == []
    action = await read_action(site, "redrive")
    assert action["reason"] == "The profile exists now"
    event = await read_event(site, "activity.recorded", description="Wants parking")
    assert event["actor"] == "producer:/portal"
    items = (await read_api(site, f"/api/leads/{event['lead_id']}/timeline"))["items"]
    assert "Wants parking" in [item.get("description") for item in items]


async def wait_for_row(screen: Screen, text: str) -> None:
    """Open the page again until it has a row: pages of operators are not live everywhere."""
    row = screen.page.locator("tr[data-row]", has_text=text)
    for _ in range(50):
        if await row.count():
            return
        await asyncio.sleep(0.1)  # the intake is at work on the record
        await screen.page.reload()
    raise AssertionError(f"no row with {text}")


async def create_agent(site: Site, profile_id: UUID) -> None:
    """Insert the missing profile, as the host does."""
    await site.world.pool.execute(
        "INSERT INTO profiles (id, org_id, role, full_name) VALUES ($1, $2, 'manager', 'Kim')",
        profile_id, site.world.org_id,
    )  # fmt: skip


@asynccontextmanager
async def delay_swap(stack: RunningStack) -> AsyncIterator[asyncio.Event]:
    """Read a table in a long transaction, as a report does, until the event is set.

    The swap needs a moment in which nobody uses the table: it tries again and again.
    """
    end = asyncio.Event()
    async with stack.pool.acquire() as conn:
        reading = conn.transaction()
        await reading.start()
        await conn.execute("SELECT FROM public.lead_activities LIMIT 1")
        try:
            yield end
        finally:
            await reading.rollback()


async def test_a_rebuild_is_followed_compared_and_swapped_while_agents_read(
    site: Site, stack: RunningStack, screen_of: OpenScreen
) -> None:
    lead = await site.create_lead(firstName="Ada")
    await site.project()
    async with screen_of() as operator, screen_of(site.manager) as agent:
        operator.page.set_default_timeout(WORK_MS)
        await open_with_reason(operator, REBUILD, "a corrected projector")
        await operator.page.get_by_text("1 projection from").wait_for()
        await operator.page.get_by_role("button", name="Rebuild").click()
        await operator.page.get_by_text(
            "Rebuild of lead_activities waits for a replay worker."
        ).wait_for()
        await operator.save("story-rebuild-waits")
        action = await read_action(site, "rebuild")
        assert (action["reason"], action["target"]) == (
            "a corrected projector", {"names": ["lead_activities"]},
        )  # fmt: skip
        async with run_processes(stack.owner_settings, replay_worker.work):
            async with delay_swap(stack):
                await operator.page.get_by_text("Rebuild of lead_activities is running:").wait_for()
                await operator.save("story-rebuild-runs")
                for _ in range(3):
                    assert await agent.open(f"/console/leads/{lead}") == 200
                    assert (await agent.answer()).startswith("Ada is ")
            await operator.page.get_by_text(
                "Rebuild of lead_activities is done, and the rebuilt tables are live."
            ).wait_for()
        tables = operator.page.locator("tr[data-row]", has_text="lead_activities")
        assert "live = rebuilt" in await tables.first.inner_text()
        await operator.save("story-rebuild-done")
        assert await operator.find_barriers() == []

        await agent.page.locator("#live[data-state=on]").wait_for()
        await site.client.post(
            f"/api/leads/{lead}/activities", json={"type": "note", "description": "after it"},
            headers=site.console_headers(),
        )  # fmt: skip
        await agent.page.get_by_text("after it").wait_for()
    rebuilt_at = await site.world.pool.fetchval(
        "SELECT rebuilt_at FROM crm.projections WHERE name = 'lead_activities'"
    )
    assert rebuilt_at > action["acted_at"]
