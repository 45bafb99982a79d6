"""A lead's workflow runs over HTTP: read with their definition, paused, resumed, stopped."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx2

from events.deliveries import DeliveryHandedOver, DeliveryPlanned, DeliveryPurpose
from events.runs import RunCompleted, RunStepReached, StepOutcome
from events.workflows import MessageChannel, StepAction
from tests.services.api.site import Site, create_profile
from tests.services.api.workflow_requests import (
    DEFINITIONS,
    STEPS,
    create_definition,
    enroll_run,
    post,
)
from tests.world import make_world


async def read_workflow(site: Site, lead: UUID) -> dict[str, Any]:
    await site.project()
    response = await site.client.get(
        f"/api/leads/{lead}/workflow", headers=site.console_headers(site.viewer)
    )
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def change_run(site: Site, lead: UUID, action: str, **more: Any) -> httpx2.Response:
    return await site.client.patch(
        f"/api/leads/{lead}/workflow",
        json={"action": action, **more},
        headers=site.console_headers(),
    )


async def test_a_lead_without_a_run_has_no_workflow(site: Site) -> None:
    lead = await site.create_lead()
    assert await read_workflow(site, lead) == {"workflow": None, "runs": []}
    response = await change_run(site, lead, "pause")
    assert (response.status_code, response.json()["code"]) == (404, "no_live_run")


async def test_the_newest_run_is_shown_with_its_definition_and_actions(site: Site) -> None:
    lead = await site.create_lead()
    definition = await create_definition(site)
    first = await enroll_run(site, lead, definition["id"])
    await site.world.append(site.world.new(RunCompleted(run_id=first, lead_id=lead)))
    second, delivery = await enroll_run(site, lead, definition["id"]), uuid4()
    delivery_fields: dict[str, Any] = {
        "delivery_id": delivery, "lead_id": lead, "channel": MessageChannel.SMS,
        "purpose": DeliveryPurpose.WORKFLOW, "run_id": second, "step_number": 0,
    }  # fmt: skip
    await site.world.append(
        site.world.new(DeliveryPlanned(**delivery_fields, due_at=site.world.now)),
        site.world.new(
            RunStepReached(
                run_id=second,
                lead_id=lead,
                step_number=0,
                step_id="hello",
                action=StepAction.SMS,
                outcome=StepOutcome.PLANNED,
                delivery_id=delivery,
                next_step_number=1,
            )
        ),
        site.world.new(
            DeliveryHandedOver(**delivery_fields, provider="none", attempt=1, simulated=True)
        ),
    )
    body = await read_workflow(site, lead)
    assert [run["id"] for run in body["runs"]] == [str(second), str(first)]
    assert [run["status"] for run in body["runs"]] == ["active", "completed"]
    workflow = body["workflow"]
    assert (workflow["id"], workflow["current_step"], workflow["definition_version"]) == (
        str(second),
        1,
        1,
    )
    assert workflow["definition"] == {
        "id": definition["id"], "name": "Greeting", "steps": definition["steps"],
        "exit_conditions": ["leased", "lost"],
    }  # fmt: skip
    (action,) = workflow["actions"]
    assert (action["id"], action["status"], action["step_id"]) == (
        str(delivery), "simulated", "hello",
    )  # fmt: skip


async def test_a_run_keeps_the_definition_version_that_it_started_with(site: Site) -> None:
    lead = await site.create_lead()
    created = await create_definition(site)
    await enroll_run(site, lead, created["id"])
    changed = await site.client.patch(
        f"{DEFINITIONS}/{created['id']}", headers=site.console_headers(),
        json={"name": "Other", "steps": [{"id": "x", "delayHours": 1, "action": "wait"}]},
    )  # fmt: skip
    assert changed.status_code == 200
    shown = (await read_workflow(site, lead))["workflow"]["definition"]
    assert (shown["name"], shown["steps"]) == ("Greeting", created["steps"])


async def test_a_run_can_be_paused_resumed_and_stopped(site: Site) -> None:
    lead = await site.create_lead()
    run = await enroll_run(site, lead, (await create_definition(site))["id"])
    paused = (await change_run(site, lead, "pause", reason="on the phone")).json()["workflow"]
    assert (paused["id"], paused["status"], paused["next_action_at"]) == (str(run), "paused", None)
    assert paused["remaining_seconds"] > 0
    assert (await change_run(site, lead, "pause")).json()["workflow"] == paused
    assert (await read_workflow(site, lead))["runs"][0] == {**paused, "definition_name": "Greeting"}
    resumed = (await change_run(site, lead, "resume", runId=str(run))).json()["workflow"]
    assert (resumed["status"], resumed["remaining_seconds"]) == ("active", None)
    assert datetime.fromisoformat(resumed["next_action_at"]) > datetime.now(UTC)
    await change_run(site, lead, "pause")
    stopped = (await change_run(site, lead, "stop")).json()
    assert stopped["success"] is True
    assert stopped["workflow"]["status"] == "stopped"
    assert stopped["workflow"]["stop_reason"] == "stopped by a person"
    for action in ("pause", "resume", "stop"):
        response = await change_run(site, lead, action, runId=str(run))
        assert (response.status_code, response.json()["code"]) == (409, "run_state")
        assert (await change_run(site, lead, action)).json()["code"] == "no_live_run"


async def test_a_change_without_a_run_id_changes_the_newest_active_run(site: Site) -> None:
    lead = await site.create_lead()
    definition = await create_definition(site)
    older, newer = [await enroll_run(site, lead, definition["id"]) for _ in range(2)]
    for expected in (newer, older):
        response = await change_run(site, lead, "stop")
        assert response.json()["workflow"]["id"] == str(expected)


async def test_runs_of_other_leads_are_not_found_and_viewers_cannot_change_runs(site: Site) -> None:
    lead, other = await site.create_lead(), await site.create_lead()
    run = await enroll_run(site, lead, (await create_definition(site))["id"])
    response = await change_run(site, other, "stop", runId=str(run))
    assert (response.status_code, response.json()["code"]) == (404, "not_this_lead")
    assert (await change_run(site, lead, "stop", runId=str(uuid4()))).status_code == 404
    for action in ("", "explode", None, 5):
        response = await site.client.patch(
            f"/api/leads/{lead}/workflow", json={"action": action}, headers=site.console_headers()
        )
        assert response.status_code == 400
    await site.project()
    other_admin = await create_profile(await make_world(site.world.pool), "admin")
    url = f"/api/leads/{lead}/workflow"
    for profile_id, read_status, write_status in (
        (site.viewer, 200, 403),
        (other_admin, 404, 404),
        (uuid4(), 401, 401),
    ):
        assert (
            await site.client.get(url, headers=site.console_headers(profile_id))
        ).status_code == read_status
        response = await site.client.patch(
            url, json={"action": "stop"}, headers=site.console_headers(profile_id)
        )
        assert response.status_code == write_status


async def create_active(site: Site, **more: Any) -> dict[str, Any]:
    definition = await create_definition(site, steps=STEPS[1:], **more)
    response = await post(site, f"{DEFINITIONS}/{definition['id']}/activate", {})
    assert response.status_code == 200, response.text
    return definition


async def test_a_person_starts_a_run_of_an_active_workflow_once_at_a_time(site: Site) -> None:
    lead, url = await site.create_lead(), "/api/leads/{}/workflow"
    inactive = await create_definition(site)
    definition = await create_active(site)
    body = {"definitionId": inactive["id"]}
    response = await post(site, url.format(lead), body)
    assert (response.status_code, response.json()["code"]) == (409, "definition_inactive")
    body = {"definitionId": definition["id"]}
    started = await post(site, url.format(lead), body)
    assert started.status_code == 201
    run = started.json()["workflow"]
    assert (run["trigger"], run["enrolled_by"]) == ("manual", str(site.manager))
    again = await post(site, url.format(lead), body)
    assert (again.status_code, again.json()["code"]) == (409, "run_live")
    assert (await post(site, url.format(lead), {**body, "stepNumber": 9})).status_code == 409
    assert (await post(site, url.format(uuid4()), body)).status_code == 404
    await change_run(site, lead, "stop")
    response = await post(site, url.format(lead), {**body, "stepNumber": 9})
    assert (response.status_code, response.json()["code"]) == (400, "unknown_step")
    assert (await post(site, url.format(lead), body)).status_code == 201


async def test_a_lead_with_an_exit_status_starts_no_run(site: Site) -> None:
    lead, definition = await site.create_lead(), await create_active(site)
    change = {"leadId": str(lead), "status": "lost"}
    response = await site.client.patch("/api/leads", json=change, headers=site.console_headers())
    assert response.status_code == 200, response.text
    body = {"definitionId": definition["id"]}
    response = await post(site, f"/api/leads/{lead}/workflow", body)
    assert (response.status_code, response.json()["code"]) == (409, "exit_status")


async def test_a_run_is_restarted_from_a_step(site: Site) -> None:
    lead = await site.create_lead()
    definition = await create_definition(site)
    await enroll_run(site, lead, definition["id"])
    restarted = (await change_run(site, lead, "restart", stepNumber=1)).json()["workflow"]
    assert restarted["current_step"] == 1
    assert datetime.fromisoformat(restarted["next_action_at"]) <= datetime.now(UTC)
    refused = await change_run(site, lead, "restart", stepNumber=2)
    assert (refused.status_code, refused.json()["code"]) == (400, "unknown_step")


async def test_a_move_makes_the_counts_that_its_preview_shows(site: Site) -> None:
    definition = await create_definition(site)
    url = f"{DEFINITIONS}/{definition['id']}"
    leads = [await site.create_lead() for _ in range(3)]
    for lead in leads:
        await enroll_run(site, lead, definition["id"])
    await change_run(site, leads[0], "restart", stepNumber=1)
    steps = [{**STEPS[1], "id": "rest"}, {**STEPS[1], "id": "hi"}]
    response = await site.client.patch(url, json={"steps": steps}, headers=site.console_headers())
    assert response.status_code == 200, response.text
    preview = (await post(site, f"{url}/move", {"dryRun": True})).json()
    assert preview == {"success": True, "isComplete": True, "steps": [
        {"fromVersion": 1, "fromStep": "hello", "toStep": None, "runs": 2},
        {"fromVersion": 1, "fromStep": "rest", "toStep": "rest", "runs": 1},
    ]}  # fmt: skip
    body = {"steps": {"hello": "hi"}, "reason": "renamed"}
    preview = (await post(site, f"{url}/move", {**body, "dryRun": True})).json()
    moved = (await post(site, f"{url}/move", body)).json()
    assert moved == preview
    assert [step["runs"] for step in moved["steps"]] == [2, 1]
    for lead, step in zip(leads, (0, 1, 1), strict=True):
        [run] = (await read_workflow(site, lead))["runs"]
        assert (run["definition_version"], run["current_step"]) == (2, step)
    assert (await post(site, f"{url}/move", {})).json()["steps"] == []
    unknown = await post(site, f"{url}/move", {"toVersion": 9})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_version")
