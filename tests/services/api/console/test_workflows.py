"""Pages of workflows: the list, one with steps, versions and runs, its forms, the simulation."""

import json
from typing import Any
from uuid import UUID, uuid4

from tests.services.api.console.visits import Visit
from tests.services.api.site import Site
from tests.services.api.workflow_requests import (
    DEFINITIONS,
    STEPS,
    create_definition,
    create_template,
    enroll_run,
    list_rows,
)

MARKUP = "<b onclick=alert(1)>&amp;"
FORMS = ("activate", "deactivate", "move")


async def create_workflow(site: Site, **more: Any) -> tuple[str, UUID, UUID]:
    """Create a workflow with a template and a run that waits; return workflow, lead and run."""
    await create_template(site)
    definition = await create_definition(site, **more)
    lead = await site.create_lead(firstName="Ada", phone="+12125550123")
    run = await enroll_run(site, lead, definition["id"])
    await site.project()
    return definition["id"], lead, run


async def change_steps(site: Site, definition: str, steps: list[dict[str, Any]]) -> None:
    response = await site.client.patch(
        f"{DEFINITIONS}/{definition}", json={"steps": steps, "changeReason": "shorter"},
        headers=site.console_headers(),
    )  # fmt: skip
    assert response.status_code == 200, response.text
    await site.project()


async def read_event(site: Site, event_type: str) -> tuple[str, dict[str, Any]]:
    """Return actor and payload of the newest event of a type."""
    async with site.world.pool.acquire() as conn:
        row = await conn.fetchrow(
            "SELECT actor, payload::text FROM crm_events WHERE event_type = $1 "
            "ORDER BY seq DESC LIMIT 1", event_type,
        )  # fmt: skip
    assert row is not None, event_type
    return row["actor"], json.loads(row["payload"])


async def test_a_property_without_workflows_gets_the_standard_ones(manager: Visit) -> None:
    path = manager.at_property("workflows")
    assert (await manager.open(path)).answer == "This property has no workflow yet."
    form = await manager.open(f"{path}/defaults")
    assert "New Lead Nurture" in form.text
    assert "nothing is sent" in form.text
    shown = await manager.send(f"{path}/defaults")
    assert shown.answer.startswith("0 of 3 workflows are active; 0 runs wait")
    assert len(await list_rows(manager.site)) == 3
    assert (await read_event(manager.site, "workflow.defined"))[0] == (
        f"user:{manager.site.manager}"
    )


async def test_the_list_counts_runs_and_links_each_number_to_them(viewer: Visit) -> None:
    definition, _, run = await create_workflow(viewer.site, name=f"Greeting {MARKUP}")
    shown = await viewer.open(viewer.at_property("workflows"))
    assert shown.answer == "0 of 1 workflow is active; 1 run waits, and none is stuck."
    [row] = shown.tree.xpath(f"//tr[@id='workflow-{definition}']")
    links = row.xpath("td/a/@href")
    assert links[0] == f"/console/workflows/{definition}"
    assert [link.text for link in row.xpath("td/a")[1:]] == ["1", "0", "0"]
    assert f"/console/runs/{run}" in (await viewer.open(links[1])).links()
    assert shown.tree.xpath("//b") == []


async def test_a_stuck_run_is_named_with_its_reason_and_what_to_do(viewer: Visit) -> None:
    site = viewer.site
    _, _, run = await create_workflow(site)
    async with site.world.pool.acquire() as conn:
        await conn.execute(
            "UPDATE crm.timers SET error = 'template_not_ready: step hello needs a template', "
            "attempts = 2 WHERE kind = 'run' AND entity_id = $1", run,
        )  # fmt: skip
    shown = await viewer.open(viewer.at_property("workflows"))
    assert "1 of them makes no progress" in shown.answer
    assert "step hello needs a template (2 attempts)" in shown.text
    assert "activate the template" in shown.text
    one = await viewer.open(f"/console/runs/{run}")
    assert "step hello needs a template" in one.text


async def test_the_picture_shows_each_step_and_where_runs_wait(viewer: Visit) -> None:
    steps = [
        *STEPS,
        {"id": "answer", "delayHours": 0, "action": "wait_for_event",
         "options": {"event": "reply_received", "limit_hours": 48, "on_event": "thanks"}},
        {"id": "hot", "delayHours": 0, "action": "branch", "options": {
            "conditions": [{"field": "score", "operator": "at_least", "value": 70}],
            "otherwise": "thanks"}},
        {"id": "call", "delayHours": 1, "action": "task", "options": {"title": MARKUP}},
        {"id": "thanks", "delayHours": 0, "action": "end"},
    ]  # fmt: skip
    definition, _, run = await create_workflow(viewer.site, steps=steps)
    shown = await viewer.open(f"/console/workflows/{definition}")
    assert shown.answer == "Greeting is off: no run starts. 1 run waits."
    texts = ["".join(item.text_content().split()) for item in shown.tree.xpath("//ol/li")]
    expected = (
        ("Start when a lead is created", "once for a lead"),
        ("15 minutes after the start", "1. Send the SMS “Hello”", "1 run waits for it"),
        ("1 day later", "2. Only wait"),
        ("At once", "3. Wait until the lead writes, at most 2 days", "if it happens: step 6",
         "if not: the next step"),
        ("4. Choose a path: score is at least 70?", "if so: the next step", "if not: step 6"),
        (f"5. Create a task, due 1 day later: “{MARKUP}”",),
        ("6. End the run",),
        ("End: 0 finished, 0 stopped",),
    )  # fmt: skip
    for text, parts in zip(texts, expected, strict=True):
        for part in parts:
            assert "".join(part.split()) in text
    [link] = shown.tree.xpath("//li[@id='step-1']//a[@class='tag waiting']/@href")
    assert f"/console/runs/{run}" in (await viewer.open(link)).links()
    assert shown.tree.xpath("//b") == []


async def test_two_versions_are_compared_in_words(viewer: Visit) -> None:
    definition, _, _ = await create_workflow(viewer.site)
    await change_steps(viewer.site, definition, [
        {**STEPS[0], "delayHours": 2}, {"id": "later", "delayHours": 1, "action": "wait"},
    ])  # fmt: skip
    path = f"/console/workflows/{definition}"
    shown = await viewer.open(path)
    rows = {
        " ".join(row.xpath("td[1]")[0].text_content().split()):
        [" ".join(cell.text_content().split()) for cell in row.xpath("td[position() > 1]")]
        for row in shown.tree.xpath("//tr[starts-with(@id, 'change-')]")
    }  # fmt: skip
    assert rows == {
        "changed Step hello": [
            "1. 15 minutes after the start: Send the SMS “Hello”",
            "1. 2 hours after the start: Send the SMS “Hello”",
        ],
        "added Step later": ["–", "2. 1 hour later: Only wait"],
        "removed Step rest": ["2. 1 day later: Only wait", "–"],
    }
    assert "shorter" in shown.text
    back = await viewer.open(f"{path}?version=1&compare=2")
    assert "What version 1 changed against version 2" in back.text
    assert "1 run waits for it" in back.text
    assert (await viewer.open(f"{path}?version=9")).status == 404


async def test_an_activation_shows_what_happens_and_is_an_event(manager: Visit) -> None:
    site = manager.site
    definition, _, _ = await create_workflow(site)
    path = f"/console/workflows/{definition}/activate"
    form = await manager.open(path)
    assert "a run of version 1 starts each time when a lead is created" in form.text
    assert "1 run is in progress: it goes on as before" in form.text
    shown = await manager.send(path)
    assert "Greeting is active: new runs start from now on." in shown.text
    assert shown.answer.startswith("Greeting is active: a run starts when a lead is created.")
    actor, payload = await read_event(site, "workflow.activated")
    assert (actor, payload["activated_by"]) == (f"user:{site.manager}", str(site.manager))
    [row] = await list_rows(site)
    assert row["is_active"] is True


async def test_an_activation_without_its_template_is_refused_in_words(manager: Visit) -> None:
    definition = (await create_definition(manager.site))["id"]
    path = f"/console/workflows/{definition}/activate"
    await manager.site.project()
    form = await manager.open(path)
    assert "Step 1 needs the template hello, which does not exist" in form.text
    shown = await manager.send(path)
    assert shown.status == 409
    assert "step hello needs the template hello" in shown.text


async def test_a_deactivation_has_a_reason_and_leaves_runs_alone(manager: Visit) -> None:
    site = manager.site
    definition, _, run = await create_workflow(site)
    await manager.send(f"/console/workflows/{definition}/activate")
    path = f"/console/workflows/{definition}/deactivate"
    assert "1 run is in progress and goes on" in (await manager.open(path)).text
    assert (await manager.send(path)).status == 400
    shown = await manager.send(path, {"reason": "Holidays"})
    assert shown.answer.startswith("Greeting is off")
    actor, payload = await read_event(site, "workflow.deactivated")
    assert (actor, payload["reason"]) == (f"user:{site.manager}", "Holidays")
    assert "waits for step 1" in (await manager.open(f"/console/runs/{run}")).answer


async def test_runs_are_moved_as_the_form_says(manager: Visit) -> None:
    site = manager.site
    definition, _, run = await create_workflow(site)
    await change_steps(site, definition, [STEPS[1], STEPS[0]])
    path = f"/console/workflows/{definition}/move"
    assert (
        "1 run of version 1 at step “hello”: goes on at step 2, “hello”"
        in (await manager.open(path)).text
    )
    shown = await manager.send(path, {"reason": "new order"})
    assert "1 run goes on in the newest version." in shown.text
    actor, payload = await read_event(site, "run.moved")
    assert (actor, payload["moved_by"]) == (f"user:{site.manager}", str(site.manager))
    one = await manager.open(f"/console/runs/{run}")
    assert "step 2 (hello)" in one.answer
    assert "of version 2; its next step is due" in one.text
    assert ": new order." in one.text


async def test_a_simulation_shows_each_minute_and_writes_nothing(viewer: Visit) -> None:
    site = viewer.site
    definition, lead, _ = await create_workflow(site)
    path = f"/console/workflows/{definition}/simulate"
    chosen = await viewer.open(f"{path}?find=Ada")
    assert chosen.answer.startswith("Choose a lead to see what Greeting would do")
    assert f"{path}?find=Ada&lead={lead}" in chosen.links()
    async with site.world.pool.acquire() as conn:
        before = await conn.fetchval("SELECT count(*) FROM crm_events")
    shown = await viewer.open(f"{path}?lead={lead}&at=2036-05-13T23:00")
    assert shown.answer.startswith("Ada would get 1 message, the first 14 May 2036")
    assert "would not start now the lead has run through this workflow" in shown.text
    assert "messages are not sent at this hour where the person is" in shown.text
    async with site.world.pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM crm_events") == before
    response = await site.client.get(
        f"{DEFINITIONS}/{definition}/simulation", params={"leadId": str(lead)},
        headers=site.console_headers(),
    )  # fmt: skip
    items = shown.tree.xpath("//li[starts-with(@id, 'simulated-')]")
    assert len(items) == len(response.json()["steps"])
    assert (await viewer.open(f"{path}?lead={uuid4()}")).status == 404
    assert (await viewer.open(f"{path}?lead={lead}&at=x")).status == 400


async def test_a_viewer_sees_a_workflow_without_actions(viewer: Visit) -> None:
    definition, _, _ = await create_workflow(viewer.site)
    path = f"/console/workflows/{definition}"
    links = (await viewer.open(path)).links()
    assert not [link for link in links if link.rpartition("/")[2] in FORMS]
    for form in FORMS:
        assert (await viewer.open(f"{path}/{form}")).status == 403
    assert (await viewer.open(viewer.at_property("workflows/defaults"))).status == 403


async def test_the_workflow_of_another_organisation_is_not_found(manager: Visit) -> None:
    for path in ("", "/simulate", *(f"/{form}" for form in FORMS)):
        assert (await manager.open(f"/console/workflows/{uuid4()}{path}")).status == 404
