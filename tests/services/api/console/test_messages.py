"""The page of a property's messages that wait or did not leave."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from events.deliveries import DeliveryHeld, DeliveryPurpose
from services.api.console.viewers import COOKIE
from tests.services.api.console.test_workflows import create_workflow
from tests.services.api.console.visits import Visit, open_visit
from tests.services.api.site import create_site, make_bearer_token
from tests.services.api.test_lead_deliveries import CASES
from tests.services.api.test_property_deliveries import append_message
from tests.world import make_world

MARKUP = "<b onclick=alert(1)>&amp;"


async def test_the_page_says_what_did_not_leave_and_what_leaves_next(viewer: Visit) -> None:
    site, now = viewer.site, datetime.now(UTC)
    lead = await site.create_lead(firstName="Ada")
    held = {"reason": "property_breaker", "held_until": now + timedelta(days=1)}
    waits = await append_message(site, lead, [(DeliveryHeld, held)])
    skipped = await append_message(site, lead, CASES["skipped"][0], subject=MARKUP)
    failed = await append_message(site, lead, CASES["failed"][0])
    await append_message(site, lead, CASES["unknown"][0])
    sent = await append_message(site, lead, CASES["delivered"][0])
    await site.project()
    path = viewer.at_property("messages")
    shown = await viewer.open(path)
    assert shown.answer.startswith(
        "1 message did not leave, 1 failed and 1 has an unknown outcome in the last 7 days; "
        "1 is held, the next leaves tomorrow "
    )
    assert shown.tree.xpath("//b") == []
    assert MARKUP in shown.text
    assert "not sent: the person does not want messages on this channel" in shown.text
    assert "there are far more messages of this property than usual" in shown.text
    rows = shown.tree.xpath("//tr[@data-row]/@id")
    assert f"message-{sent}" not in rows
    assert f"/console/leads/{lead}" in shown.links()
    for state, message in (("held", waits), ("not_sent", skipped), ("failed", failed),
                           ("sent", sent)):  # fmt: skip
        link = f"{path}?state={state}"
        assert state == "sent" or link in shown.links()
        filtered = await viewer.open(link)
        assert filtered.tree.xpath("//tr[@data-row]/@id") == [f"message-{message}"]
    assert (await viewer.open(f"{path}?state=x")).status == 400


async def test_the_page_names_the_workflow_that_planned_a_message(viewer: Visit) -> None:
    _, lead, run = await create_workflow(viewer.site)
    await append_message(
        viewer.site, lead, CASES["skipped"][0], purpose=DeliveryPurpose.WORKFLOW, run_id=run,
        step_number=0,
    )  # fmt: skip
    await viewer.site.project()
    shown = await viewer.open(viewer.at_property("messages"))
    assert "Greeting, step 1" in shown.text
    assert f"/console/runs/{run}" in shown.links()


async def test_a_property_without_messages_says_so(viewer: Visit) -> None:
    shown = await viewer.open(viewer.at_property("messages"))
    assert shown.answer == "No message left in the last 7 days, and none had to; none waits."
    assert "No message is like this" in shown.text


async def test_other_pages_lead_to_the_messages(viewer: Visit) -> None:
    lead = await viewer.site.create_lead()
    await viewer.site.project()
    path = viewer.at_property("messages")
    for page in (viewer.at_property("today"), viewer.at_property("workflows"),
                 f"/console/leads/{lead}/messages"):  # fmt: skip
        assert path in (await viewer.open(page)).links(), page
    claims = {"app_metadata": {"crm_role": "operator"}}
    token = make_bearer_token(viewer.site.viewer, claims=claims)
    viewer.client.cookies.set(COOKIE, token)
    shown = await viewer.open("/console/pipeline?show=table")
    assert shown.status == 200
    assert shown.tree.xpath(f"count(//dd//a[@href='{path}'])") == 1
    assert shown.tree.xpath(f"count(//td/a[@href='{path}'][text()='Sender'])") == 1


async def test_another_organisation_finds_no_messages(viewer: Visit) -> None:
    site = viewer.site
    lead = await site.create_lead(firstName="Ada")
    await append_message(site, lead)
    await site.project()
    other = await create_site(site.client, await make_world(site.world.pool), site.responder)
    async with open_visit(other, other.admin) as visit:
        shown = await visit.open(viewer.at_property("messages"))
    assert shown.status == 404
    assert "Ada" not in shown.text
    unknown = f"/console/properties/{uuid4()}/messages"
    assert (await viewer.open(unknown)).status == 404
