"""Pages of runs: the list by step and state, one with its history, and the form that stops it."""

from typing import Any
from uuid import UUID, uuid4

from events.deliveries import DeliveryHeld, DeliveryPlanned, DeliveryPurpose
from events.runs import RunCompleted, RunStepReached, StepOutcome
from events.workflows import MessageChannel, StepAction
from tests.services.api.console.test_workflows import create_workflow, read_event
from tests.services.api.console.visits import Visit
from tests.services.api.site import Site
from tests.services.api.workflow_requests import enroll_run

MARKUP = "<b onclick=alert(1)>&amp;"


async def plan_message(site: Site, run: UUID, lead: UUID) -> None:
    """Let the first step plan a message, which quiet hours hold."""
    delivery, now = uuid4(), site.world.now
    fields: dict[str, Any] = {
        "delivery_id": delivery, "lead_id": lead, "channel": MessageChannel.SMS,
        "purpose": DeliveryPurpose.WORKFLOW, "run_id": run, "step_number": 0,
    }  # fmt: skip
    await site.world.append(
        site.world.new(DeliveryPlanned(**fields, due_at=now)),
        site.world.new(RunStepReached(
            run_id=run, lead_id=lead, step_number=0, step_id="hello", action=StepAction.SMS,
            outcome=StepOutcome.PLANNED, delivery_id=delivery, next_step_number=1,
            next_action_at=now,
        )),
        site.world.new(DeliveryHeld(**fields, reason="quiet_hours", held_until=now)),
    )  # fmt: skip
    await site.project()


async def test_runs_are_listed_by_workflow_step_and_state(viewer: Visit) -> None:
    site = viewer.site
    definition, lead, run = await create_workflow(site)
    other = await site.create_lead(firstName=MARKUP)
    ended = await enroll_run(site, other, definition)
    await site.world.append(site.world.new(RunCompleted(run_id=ended, lead_id=other)))
    await plan_message(site, run, lead)
    path = viewer.at_property("runs")
    shown = await viewer.open(f"{path}?definition={definition}")
    assert shown.answer == "2 runs of Greeting: 1 wait, 1 finished, 0 stopped."
    assert {f"/console/runs/{run}", f"/console/runs/{ended}"} <= shown.links()
    assert shown.tree.xpath("//b") == []
    waiting = await viewer.open(f"{path}?definition={definition}&state=waiting&step=1&version=1")
    assert waiting.answer == "1 run of Greeting in version 1 at step 2 waits."
    assert f"/console/runs/{ended}" not in waiting.links()
    empty = await viewer.open(f"{path}?state=stopped")
    assert empty.answer == "0 runs were stopped."
    assert "No run is like this" in empty.text
    assert (await viewer.open(f"{path}?state=x")).status == 400


async def test_a_run_tells_its_history_and_why_a_message_waits(viewer: Visit) -> None:
    site = viewer.site
    _, lead, run = await create_workflow(site)
    await plan_message(site, run, lead)
    shown = await viewer.open(f"/console/runs/{run}")
    assert shown.answer.startswith("Greeting for Ada ")
    assert "step 2 (rest)" in shown.answer
    texts = [
        " ".join(item.text_content().split())
        for item in shown.tree.xpath("//li[starts-with(@id, 'event-')]")
    ]
    assert "Step 1 (hello): the SMS message was planned; then step 2" in texts[0]
    assert texts[1].startswith("It began, because a lead is created, with version 1")
    assert ": held: messages are not sent at this hour where the person is" in shown.text
    assert shown.tree.xpath("//li[@aria-current='step']/@id") == ["step-2"]
    response = await site.client.get(
        f"/api/workflows/runs/{run}", headers=site.console_headers(site.viewer)
    )
    assert len(response.json()["history"]) == len(texts)


async def test_a_run_is_stopped_from_its_page_with_a_reason(manager: Visit) -> None:
    site = manager.site
    _, lead, run = await create_workflow(site)
    page = await manager.open(f"/console/runs/{run}")
    path = f"/console/leads/{lead}/runs/{run}/stop?from=run"
    assert path in page.links()
    assert "its planned messages are not sent" in (await manager.open(path)).text
    shown = await manager.send(path, {"reason": f"Wrong lead {MARKUP}"})
    assert shown.answer == f"Greeting for Ada was stopped: Wrong lead {MARKUP}."
    actor, payload = await read_event(site, "run.stopped")
    assert actor == f"user:{site.manager}"
    assert payload["stopped_by"] == str(site.manager)
    assert path not in shown.links()
    assert shown.tree.xpath("//b") == []


async def test_the_page_of_a_lead_leads_to_its_runs(viewer: Visit) -> None:
    _, lead, run = await create_workflow(viewer.site)
    shown = await viewer.open(f"/console/leads/{lead}")
    assert f"/console/runs/{run}" in shown.links()


async def test_a_viewer_sees_a_run_without_actions(viewer: Visit) -> None:
    site = viewer.site
    _, lead, run = await create_workflow(site)
    await plan_message(site, run, lead)
    links = (await viewer.open(f"/console/runs/{run}")).links()
    assert not [link for link in links if "/stop" in link or "/cancel" in link]


async def test_the_run_of_another_organisation_is_not_found(manager: Visit) -> None:
    assert (await manager.open(f"/console/runs/{uuid4()}")).status == 404
