"""The forms of a lead's page: each one is shown first, done once, and an event of its user."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from events.consents import ConsentChannel, ConsentWithdrawn, consent_id
from services.api.console.catalog import PAGES
from tests.services.api.console.visits import Shown, Visit
from tests.services.api.site import NEXT_MONTH
from tests.services.api.test_lead_deliveries import append_delivery
from tests.services.api.workflow_requests import create_definition, create_template, enroll_run

MARKUP = "<b onclick=x>Mallory</b>"
TASK = {"title": "Call back", "due": "2036-05-14T10:30", "agent": ""}
FORMS: dict[str, tuple[dict[str, str], str]] = {
    "note": ({"description": MARKUP}, "activity.recorded"),
    "call": ({"description": "No answer.", "answered": "no"}, "activity.recorded"),
    "status": ({"status": "contacted"}, "lead.status_changed"),
    "message": ({"channel": "email", "message": "Hello"}, "delivery.planned"),
    "tour": ({"date": NEXT_MONTH.isoformat(), "time": "14:00"}, "tour.scheduled"),
    "task": (TASK, "task.created"),
}


async def read_actors(visit: Visit, event_type: str) -> list[str]:
    """Return who appended events of a type, one for each event."""
    async with visit.site.world.pool.acquire() as conn:
        rows = await conn.fetch("SELECT actor FROM crm_events WHERE event_type = $1", event_type)
    return [row["actor"] for row in rows]


async def read_api(visit: Visit, path: str, **query: str) -> Any:
    response = await visit.site.client.get(
        path, params=query, headers=visit.site.console_headers(visit.site.viewer)
    )
    assert response.status_code == 200, response.text
    return response.json()


async def create_lead(visit: Visit, **details: str) -> UUID:
    lead = await visit.site.create_lead(**details)
    await visit.site.project()
    return lead


@pytest.mark.parametrize("name", FORMS)
async def test_a_form_is_an_event_of_its_user_once(manager: Visit, name: str) -> None:
    fields, event_type = FORMS[name]
    lead = await create_lead(manager, firstName=MARKUP)
    path = f"/console/leads/{lead}/{name}"
    assert path in (await manager.open(f"/console/leads/{lead}")).links()
    form = {**(await manager.open(path)).form(path), **fields}
    before = await read_actors(manager, event_type)
    for _ in range(2):
        shown = await manager.post(path, form)
        assert (shown.status, shown.tree.xpath("//b")) == (200, [])
        assert str(shown.response.url).endswith(f"/console/leads/{lead}")
        assert shown.tree.xpath("//p[@class='done']")
    actors = await read_actors(manager, event_type)
    assert actors == [*before, f"user:{manager.site.manager}"]


async def test_page_and_api_agree_about_what_a_form_made(manager: Visit) -> None:
    lead = await create_lead(manager)
    path = f"/console/leads/{lead}"
    await manager.send(f"{path}/task", TASK)
    [task] = (await read_api(manager, f"/api/leads/{lead}/tasks"))["tasks"]
    assert (task["title"], task["due_at"]) == ("Call back", "2036-05-14T14:30:00Z")  # New York
    await manager.send(f"{path}/tour", {"date": NEXT_MONTH.isoformat(), "time": "14:00"})
    [tour] = (await read_api(manager, f"/api/leads/{lead}/tours"))["tours"]
    assert (tour["tour_time"], tour["created_by"]) == ("14:00:00", str(manager.site.manager))
    shown = await manager.send(f"{path}/agent", {"agent": str(manager.site.manager)})
    found = await read_api(manager, path.replace("console", "api"))
    assert found["lead"]["assigned_agent_id"] == str(manager.site.manager)
    assert "Sam" in shown.tree.xpath("//dl[@class='facts']")[0].text_content()
    await manager.send(f"{path}/agent", {"agent": ""})
    found = await read_api(manager, path.replace("console", "api"))
    assert found["lead"]["assigned_agent_id"] is None


async def test_an_answered_call_counts_for_the_score(manager: Visit) -> None:
    lead = await create_lead(manager)
    path = f"/console/leads/{lead}/call"
    fields = {"description": "She comes on Saturday.", "answered": "yes"}
    form = {**(await manager.open(path)).form(path), **fields}
    for _ in range(2):
        assert "counts for the score" in (await manager.post(path, form)).text
    found = await read_api(manager, "/api/leadpulse/events", leadId=str(lead))
    assert [row["eventType"] for row in found["events"]] == ["call_outbound_answered"]


async def test_a_refused_form_keeps_what_was_entered_and_says_why(manager: Visit) -> None:
    lead = await create_lead(manager)
    path = f"/console/leads/{lead}"
    shown = await manager.send(f"{path}/task", {**TASK, "due": "tomorrow"})
    assert shown.status == 400
    assert "'tomorrow' is no date with a time" in shown.text
    assert shown.form(f"{path}/task")["title"] == "Call back"
    shown = await manager.send(f"{path}/tour", {"date": "2020-01-01", "time": "14:00"})
    assert shown.status == 400
    assert shown.form(f"{path}/tour")["date"] == "2020-01-01"
    shown = await manager.send(f"{path}/message", {"channel": "sms", "message": "Hi"})
    assert shown.status == 400
    assert await read_actors(manager, "task.created") == []


async def test_a_message_shows_who_gets_it_and_the_templates(manager: Visit) -> None:
    lead = await create_lead(manager, phone="+12125550123", email="ada@example.com")
    await create_template(manager.site, "spring")
    withdrawn = ConsentWithdrawn(
        consent_id=consent_id(lead, ConsentChannel.SMS), lead_id=lead,
        channel=ConsentChannel.SMS, place="sms_reply", at=manager.site.world.now, keyword="STOP",
    )  # fmt: skip
    await manager.site.world.append(manager.site.world.new(withdrawn))
    await manager.site.project()
    path = f"/console/leads/{lead}/message"
    shown = await manager.open(path)
    assert "SMS goes to +12125550123, who has withdrawn consent" in shown.text
    assert "E-mail goes to ada@example.com." in shown.text
    assert shown.tree.xpath("//option[@value='spring']")
    refused = await manager.send(path, {"channel": "sms", "message": "Hi"})
    assert refused.status == 409
    assert "no consent" in refused.text


async def test_a_planned_message_is_cancelled(manager: Visit) -> None:
    lead = await create_lead(manager)
    delivery = await append_delivery(manager.site, lead, [])
    await manager.site.project()
    path = f"/console/leads/{lead}/messages/{delivery}/cancel"
    assert path in (await manager.open(f"/console/leads/{lead}")).links()
    shown = await manager.send(path)
    assert "not sent: a person cancelled the message" in shown.text
    assert await read_actors(manager, "delivery.skipped") == [f"user:{manager.site.manager}"]
    [row] = (await read_api(manager, f"/api/leads/{lead}/deliveries"))["deliveries"]
    assert (row["status"], row["reason"]) == ("skipped", "cancelled")


async def test_a_workflow_is_stopped_and_named_where_a_status_ends_it(manager: Visit) -> None:
    lead = await create_lead(manager)
    definition = await create_definition(manager.site, exitConditions=["tour_booked", "lost"])
    run = await enroll_run(manager.site, lead, definition["id"])
    await manager.site.project()
    shown = await manager.open(f"/console/leads/{lead}/status")
    assert "Greeting: tour booked, lost" in shown.text
    shown = await manager.send(
        f"/console/leads/{lead}/runs/{run}/stop", {"reason": "She called us."}
    )
    assert "She called us." in shown.text
    assert await read_actors(manager, "run.stopped") == [f"user:{manager.site.manager}"]


async def test_a_merge_is_shown_first_and_undone_from_the_page_of_the_winner(
    manager: Visit,
) -> None:
    loser = await create_lead(manager, firstName="Ada", phone="+12125550123")
    winner = await create_lead(manager, email="ada@example.com", firstName="Adele")
    path = f"/console/leads/{loser}/merge"
    found = await manager.open(f"{path}?search=Adele")
    assert f"{path}?into={winner}" in found.links()
    assert f"{path}?into={loser}" not in found.links()
    shown = await manager.open(f"{path}?into={winner}")
    cells = [cell.text_content() for cell in shown.tree.xpath("//tr[td[1]='phone']/td")]
    assert cells == ["phone", "+12125550123", "", "+12125550123"]
    assert await read_actors(manager, "lead.merged") == []
    shown = await manager.send(f"{path}?into={winner}", {"reason": "same person"})
    assert str(shown.response.url).endswith(f"/console/leads/{winner}")
    undo = f"/console/leads/{loser}/unmerge"
    assert undo in shown.links()
    assert await read_actors(manager, "lead.merged") == [f"user:{manager.site.manager}"]
    assert (await read_api(manager, f"/api/leads/{loser}"))["lead"]["id"] == str(winner)
    shown = await manager.send(undo, {"reason": "father and son"})
    assert "this is a lead of its own" in shown.text
    assert (await read_api(manager, f"/api/leads/{loser}"))["lead"]["id"] == str(loser)
    assert (await manager.open(undo)).status == 409


async def test_a_merge_offers_leads_with_the_same_phone_before_those_with_the_same_name(
    manager: Visit,
) -> None:
    lead = await create_lead(manager, lastName="Lovelace", phone="+12125550123")
    path = f"/console/leads/{lead}/merge"
    assert "No other lead matches “Lovelace”" in (await manager.open(path)).text
    namesake = await create_lead(manager, lastName="Lovelace")
    assert _offered(await manager.open(path), path) == [str(namesake)]
    same = await create_lead(manager, firstName="Eve", phone="+12125550123")
    shown = await manager.open(path)
    assert _offered(shown, path) == [str(same)]
    assert "With the same phone or e-mail" in shown.text
    shown = await manager.open(f"{path}?search=lovelace")
    assert _offered(shown, path) == [str(namesake)]


def _offered(shown: Shown, path: str) -> list[str]:
    start = f"{path}?into="
    return [link.removeprefix(start) for link in shown.links() if link.startswith(start)]


def form_paths() -> list[str]:
    return [
        route.path for route in PAGES
        if "{lead_id}" in route.path and "POST" in (route.methods or ())
    ]  # fmt: skip


@pytest.mark.parametrize("path", form_paths())
async def test_a_viewer_may_not_open_a_form(viewer: Visit, path: str) -> None:
    lead = await create_lead(viewer)
    address = path.replace("{lead_id}", str(lead))
    for name in ("delivery_id", "run_id"):
        address = address.replace("{" + name + "}", str(uuid4()))
    assert (await viewer.open(address)).status == 403


@pytest.mark.parametrize("path", form_paths())
async def test_a_form_of_an_unknown_lead_is_not_found(manager: Visit, path: str) -> None:
    for name in ("lead_id", "delivery_id", "run_id"):
        path = path.replace("{" + name + "}", str(uuid4()))
    assert (await manager.open(path)).status == 404
