"""The runs of a property over HTTP: listed by step and state, counted, stuck, with history."""

from typing import Any
from uuid import UUID, uuid4

from events.runs import RunCompleted, RunStepReached, StepOutcome
from events.workflows import StepAction
from tests.services.api.site import Site
from tests.services.api.workflow_requests import STEPS, create_definition, enroll_run

RUNS = "/api/workflows/runs"


async def get(site: Site, path: str, **query: Any) -> Any:
    """Read as the viewer, with tables that are up to date."""
    await site.project()
    response = await site.client.get(
        path, params={"propertyId": str(site.property_id), **query},
        headers=site.console_headers(site.viewer),
    )  # fmt: skip
    assert response.status_code == 200, response.text
    return response.json()


async def reach_second_step(site: Site, run: UUID, lead: UUID) -> None:
    await site.world.append(site.world.new(RunStepReached(
        run_id=run, lead_id=lead, step_number=0, step_id="hello", action=StepAction.SMS,
        outcome=StepOutcome.SKIPPED, error_message="missing_value", next_step_number=1,
        next_action_at=site.world.now,
    )))  # fmt: skip


async def test_runs_are_counted_and_listed_by_step_and_state(site: Site) -> None:
    definition = await create_definition(site)
    leads = [await site.create_lead(firstName=name) for name in ("Ada", "Grace", "Joan")]
    runs = [await enroll_run(site, lead, definition["id"]) for lead in leads]
    await reach_second_step(site, runs[1], leads[1])
    await site.world.append(site.world.new(RunCompleted(run_id=runs[2], lead_id=leads[2])))
    counts = (await get(site, f"{RUNS}/counts", definitionId=definition["id"]))["counts"]
    found = {(one["status"], one["step"]): one["runs"] for one in counts}
    assert found == {("active", 0): 1, ("active", 1): 1, ("completed", 0): 1}
    listed = (await get(site, RUNS, state="waiting", step=1, version=1))["runs"]
    assert [(run["id"], run["lead"]["first_name"], run["step"]["id"]) for run in listed] == [
        (str(runs[1]), "Grace", "rest")
    ]
    assert (listed[0]["step_count"], listed[0]["definition_newest"]) == (2, 1)
    assert [run["id"] for run in (await get(site, RUNS, state="finished"))["runs"]] == [
        str(runs[2])
    ]


async def test_runs_are_read_page_by_page(site: Site) -> None:
    definition = await create_definition(site)
    runs = [await enroll_run(site, await site.create_lead(), definition["id"]) for _ in range(3)]
    first = await get(site, RUNS, limit=2)
    second = await get(site, RUNS, limit=2, cursor=first["nextCursor"])
    ids = [run["id"] for body in (first, second) for run in body["runs"]]
    assert sorted(ids) == sorted(map(str, runs))
    assert second["nextCursor"] is None
    response = await site.client.get(
        RUNS, params={"propertyId": str(site.property_id), "cursor": "x"},
        headers=site.console_headers(),
    )  # fmt: skip
    assert (response.status_code, response.json()["code"]) == (400, "malformed_cursor")


async def test_a_run_has_its_events_and_the_version_that_it_uses(site: Site) -> None:
    lead = await site.create_lead()
    definition = await create_definition(site)
    run = await enroll_run(site, lead, definition["id"])
    await reach_second_step(site, run, lead)
    await site.client.patch(
        f"/api/workflows/definitions/{definition['id']}", headers=site.console_headers(),
        json={"steps": [{**STEPS[1], "id": "other"}]},
    )  # fmt: skip
    found = await get(site, f"{RUNS}/{run}")
    assert [event["type"] for event in found["history"]] == ["run.enrolled", "run.step_reached"]
    assert found["history"][1]["details"]["error_message"] == "missing_value"
    assert [step["id"] for step in found["definition"]["steps"]] == ["hello", "rest"]
    assert (found["run"]["definition_version"], found["run"]["definition_newest"]) == (1, 2)


async def test_a_run_whose_step_cannot_be_done_is_stuck_with_its_reason(site: Site) -> None:
    lead = await site.create_lead()
    run = await enroll_run(site, lead, (await create_definition(site))["id"])
    await enroll_run(site, lead, (await create_definition(site))["id"])
    await site.project()
    async with site.world.pool.acquire() as conn:
        await conn.execute(
            "UPDATE crm.timers SET error = 'template_not_ready: hello', attempts = 2 "
            "WHERE kind = 'run' AND entity_id = $1", run,
        )  # fmt: skip
    [stuck] = (await get(site, f"{RUNS}/stuck"))["stuck"]
    assert (stuck["runId"], stuck["run"]["id"], stuck["code"]) == (str(run), str(run), "blocked")
    assert (stuck["reason"], stuck["attempts"]) == ("template_not_ready: hello", 2)
    assert "crm workflow repair" in stuck["hint"]
    detail = await get(site, f"{RUNS}/{run}")
    assert detail["stuck"]["reason"] == stuck["reason"]


async def test_an_unknown_run_is_404(site: Site) -> None:
    response = await site.client.get(f"{RUNS}/{uuid4()}", headers=site.console_headers())
    assert response.status_code == 404
