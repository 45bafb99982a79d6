"""A lead's runs through real HTTP: read with their definition, paused, resumed, stopped."""

from typing import Any
from uuid import UUID, uuid4

import httpx2

from events.deliveries import DeliveryHandedOver, DeliveryPlanned, DeliveryPurpose
from events.runs import RunCompleted, RunStepReached, StepOutcome
from events.workflows import MessageChannel, StepAction
from tests.services.api.conftest import Site, employ
from tests.services.api.flows import DEFINITIONS, enrolled, written
from tests.world import make_world


async def shown(site: Site, lead: UUID) -> dict[str, Any]:
    await site.project()
    answer = await site.client.get(f"/api/leads/{lead}/workflow", headers=site.console(site.viewer))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def patch(site: Site, lead: UUID, action: str, **more: Any) -> httpx2.Response:
    return await site.client.patch(
        f"/api/leads/{lead}/workflow", json={"action": action, **more}, headers=site.console()
    )


async def test_a_lead_without_a_run_has_none(site: Site) -> None:
    lead = await site.lead()
    assert await shown(site, lead) == {"workflow": None, "runs": []}
    answer = await patch(site, lead, "pause")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_live_run")


async def test_the_newest_run_is_shown_with_its_definition_and_what_it_did(site: Site) -> None:
    lead = await site.lead()
    made = await written(site)
    first = await enrolled(site, lead, made["id"])
    await site.world.append(site.world.new(RunCompleted(run_id=first, lead_id=lead)))
    run, delivery = await enrolled(site, lead, made["id"]), uuid4()
    sent: dict[str, Any] = {
        "delivery_id": delivery, "lead_id": lead, "channel": MessageChannel.SMS,
        "purpose": DeliveryPurpose.WORKFLOW, "run_id": run, "step_number": 0,
    }  # fmt: skip
    await site.world.append(
        site.world.new(DeliveryPlanned(**sent, due_at=site.world.now)),
        site.world.new(RunStepReached(
            run_id=run, lead_id=lead, step_number=0, step_id="hello", action=StepAction.SMS,
            outcome=StepOutcome.PLANNED, delivery_id=delivery, next_step_number=1,
        )),
        site.world.new(DeliveryHandedOver(**sent, provider="none", attempt=1, simulated=True)),
    )  # fmt: skip
    seen = await shown(site, lead)
    assert [one["id"] for one in seen["runs"]] == [str(run), str(first)]
    assert [one["status"] for one in seen["runs"]] == ["active", "completed"]
    flow = seen["workflow"]
    assert (flow["id"], flow["current_step"], flow["definition_version"]) == (str(run), 1, 1)
    assert flow["definition"] == {
        "id": made["id"], "name": "Greeting", "steps": made["steps"],
        "exit_conditions": ["leased", "lost"],
    }  # fmt: skip
    (action,) = flow["actions"]
    assert (action["id"], action["status"], action["step_id"]) == (
        str(delivery), "simulated", "hello",
    )  # fmt: skip


async def test_a_run_is_shown_with_the_version_it_began_with(site: Site) -> None:
    lead = await site.lead()
    made = await written(site)
    await enrolled(site, lead, made["id"])
    changed = await site.client.patch(
        f"{DEFINITIONS}/{made['id']}", headers=site.console(),
        json={"name": "Other", "steps": [{"id": "x", "delayHours": 1, "action": "wait"}]},
    )  # fmt: skip
    assert changed.status_code == 200
    definition = (await shown(site, lead))["workflow"]["definition"]
    assert (definition["name"], definition["steps"]) == ("Greeting", made["steps"])


async def test_a_run_is_paused_resumed_and_stopped(site: Site) -> None:
    lead = await site.lead()
    run = await enrolled(site, lead, (await written(site))["id"])
    paused = (await patch(site, lead, "pause", reason="on the phone")).json()["workflow"]
    assert (paused["id"], paused["status"], paused["next_action_at"]) == (str(run), "paused", None)
    assert paused["remaining_seconds"] > 0
    assert (await patch(site, lead, "pause")).json()["workflow"] == paused
    assert (await shown(site, lead))["runs"][0] == {**paused, "definition_name": "Greeting"}
    resumed = (await patch(site, lead, "resume", runId=str(run))).json()["workflow"]
    assert (resumed["status"], resumed["remaining_seconds"]) == ("active", None)
    assert resumed["next_action_at"]
    await patch(site, lead, "pause")
    stopped = (await patch(site, lead, "stop")).json()
    assert stopped["success"] is True
    assert stopped["workflow"]["status"] == "stopped"
    assert stopped["workflow"]["stop_reason"] == "stopped by a person"
    for action in ("pause", "resume", "stop"):
        answer = await patch(site, lead, action, runId=str(run))
        assert (answer.status_code, answer.json()["code"]) == (409, "run_state")
        assert (await patch(site, lead, action)).json()["code"] == "no_live_run"


async def test_without_an_id_it_is_the_newest_run_that_has_not_ended(site: Site) -> None:
    lead = await site.lead()
    made = await written(site)
    older, newer = [await enrolled(site, lead, made["id"]) for _ in range(2)]
    for expected in (newer, older):
        answer = await patch(site, lead, "stop")
        assert answer.json()["workflow"]["id"] == str(expected)


async def test_runs_of_others_are_not_found_and_viewers_do_not_write(site: Site) -> None:
    lead, other = await site.lead(), await site.lead()
    run = await enrolled(site, lead, (await written(site))["id"])
    answer = await patch(site, other, "stop", runId=str(run))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_this_lead")
    assert (await patch(site, lead, "stop", runId=str(uuid4()))).status_code == 404
    for wrong in ("", "explode", None, 5):
        answer = await site.client.patch(
            f"/api/leads/{lead}/workflow", json={"action": wrong}, headers=site.console()
        )
        assert answer.status_code == 400
    await site.project()
    stranger = await employ(await make_world(site.world.pool), "admin")
    url = f"/api/leads/{lead}/workflow"
    for who, read, write in ((site.viewer, 200, 403), (stranger, 404, 404), (uuid4(), 401, 401)):
        assert (await site.client.get(url, headers=site.console(who))).status_code == read
        answer = await site.client.patch(url, json={"action": "stop"}, headers=site.console(who))
        assert answer.status_code == write
