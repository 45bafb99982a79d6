"""Tasks over HTTP: created, listed, assigned and done."""

from uuid import uuid4

from tests.services.api.site import Site, create_profile
from tests.services.api.workflow_requests import post
from tests.world import make_world


async def test_a_task_is_created_listed_assigned_and_done(site: Site) -> None:
    lead = await site.create_lead()
    body = {"title": "Call back", "dueAt": "2036-05-14T15:00:00Z", "notes": "evening"}
    created = await post(site, f"/api/leads/{lead}/tasks", body)
    assert created.status_code == 201, created.text
    task = created.json()["task"]
    assert (task["status"], task["created_by"]) == ("open", str(site.manager))
    first = (await post(site, f"/api/leads/{lead}/tasks", {"title": "Write"})).json()["task"]
    url = f"/api/tasks/{task['id']}"
    agent = str(site.admin)
    change = {"assignedAgentId": agent}
    assigned = await site.client.patch(url, json=change, headers=site.console_headers())
    assert assigned.json()["task"]["assigned_agent_id"] == agent
    await site.project()
    query = {"propertyId": str(site.property_id)}
    for params, expected in (
        ({}, [task["id"], first["id"]]),
        ({"assignedAgentId": agent}, [task["id"]]),
        ({"status": "done"}, []),
    ):
        listed = await site.client.get(
            "/api/tasks", params={**query, **params}, headers=site.console_headers(site.viewer)
        )
        assert [row["id"] for row in listed.json()["tasks"]] == expected
    done = {"done": True, "result": "reached"}
    finished = (await site.client.patch(url, json=done, headers=site.console_headers())).json()
    assert (finished["task"]["status"], finished["task"]["result"]) == ("done", "reached")
    refused = await site.client.patch(
        url, json={"assignedAgentId": None}, headers=site.console_headers()
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "task_done")
    await site.project()
    of_lead = await site.client.get(f"/api/leads/{lead}/tasks", headers=site.console_headers())
    assert [row["id"] for row in of_lead.json()["tasks"]] == [first["id"], task["id"]]
    assert of_lead.json()["tasks"][1] == finished["task"]


async def test_tasks_of_another_organisation_are_not_found(site: Site) -> None:
    lead = await site.create_lead()
    task = (await post(site, f"/api/leads/{lead}/tasks", {"title": "Call"})).json()["task"]
    other = await create_profile(await make_world(site.world.pool), "admin")
    headers = site.console_headers(other)
    await site.project()
    url = f"/api/tasks/{task['id']}"
    assert (await site.client.patch(url, json={"done": True}, headers=headers)).status_code == 404
    query = {"propertyId": str(site.property_id)}
    assert (await site.client.get("/api/tasks", params=query, headers=headers)).status_code == 404
    unknown = f"/api/tasks/{uuid4()}"
    response = await site.client.patch(unknown, json={"done": True}, headers=site.console_headers())
    assert response.status_code == 404


async def test_an_unknown_agent_and_a_blank_title_are_refused(site: Site) -> None:
    lead = await site.create_lead()
    for body, code in (
        ({"title": "Call", "assignedAgentId": str(uuid4())}, "unknown_profile"),
        ({"title": " "}, "invalid_task"),
        ({"title": ""}, "invalid"),
        ({}, "invalid"),
    ):
        response = await post(site, f"/api/leads/{lead}/tasks", body)
        assert (response.status_code, response.json()["code"]) == (400, code)


async def test_a_task_is_read_by_its_id(site: Site) -> None:
    lead = await site.create_lead()
    task = (await post(site, f"/api/leads/{lead}/tasks", {"title": "Call"})).json()["task"]
    await site.project()
    url, headers = f"/api/tasks/{task['id']}", site.console_headers(site.viewer)
    assert (await site.client.get(url, headers=headers)).json() == {"task": task}
    other = await create_profile(await make_world(site.world.pool), "admin")
    for path, profile in ((url, other), (f"/api/tasks/{uuid4()}", site.viewer)):
        response = await site.client.get(path, headers=site.console_headers(profile))
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
