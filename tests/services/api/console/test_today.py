"""The page of today: its answer, reasons in words, links, and the form that finishes a task."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from events.conversations import ConversationWaiting
from tests.services.api.console.visits import Visit
from tests.services.api.leads_to_call import capture_hot_lead, capture_lead, contact_lead
from tests.services.api.site import Site

MARKUP = "<b onclick=alert(1)>&amp;"


async def create_task(site: Site, lead: UUID, title: str = "Call back") -> str:
    response = await site.client.post(
        f"/api/leads/{lead}/tasks", json={"title": title, "notes": "In the evening"},
        headers=site.console_headers(),
    )  # fmt: skip
    await site.project()
    return str(response.json()["task"]["id"])


async def test_a_day_without_work_says_so(viewer: Visit) -> None:
    shown = await viewer.open(viewer.at_property("today"))
    assert shown.answer.startswith("Nothing waits for you at ")
    assert "Nobody has to be called now" in shown.text


async def test_the_answer_counts_hot_leads_and_how_long_they_wait(viewer: Visit) -> None:
    now = datetime.now(UTC)
    for minutes in (10, 42, 15):
        await capture_hot_lead(viewer.site, now - timedelta(minutes=minutes, seconds=5))
    await viewer.site.project()
    shown = await viewer.open(viewer.at_property("today"))
    assert shown.answer == "3 hot leads wait for a call; the oldest for 42 minutes."
    assert "newly hot: became hot 42 minutes ago, no call or message by us yet" in shown.text
    assert len(shown.tree.xpath("//tr[@data-notify]")) == 3


async def test_each_lead_has_its_reason_and_a_link(viewer: Visit) -> None:
    now = datetime.now(UTC)
    hot = await capture_hot_lead(viewer.site, now - timedelta(days=6))
    await contact_lead(viewer.site, hot, now - timedelta(days=4, seconds=5))
    warm = await capture_lead(viewer.site, now - timedelta(hours=2, seconds=5))
    await viewer.site.project()
    shown = await viewer.open(viewer.at_property("today"))
    assert shown.answer == "1 hot lead waits for a call, for 4 days."
    assert "hot, last contact by us: 4 days ago." in shown.text
    assert "warm, came 2 hours ago, no call or message by us yet." in shown.text
    assert {f"/console/leads/{lead}" for lead in (hot, warm)} <= shown.links()


async def test_a_visitor_who_waits_is_shown_with_the_last_message(viewer: Visit) -> None:
    turn = await viewer.site.send_chat(f"Is anybody there? {MARKUP}")
    waiting = ConversationWaiting(conversation_id=turn["conversationId"], reason="bot_failed")
    await viewer.site.world.append(viewer.site.world.new(waiting, at=datetime.now(UTC)))
    await viewer.site.project()
    shown = await viewer.open(viewer.at_property("today"))
    assert shown.answer.startswith("1 conversation waits for a person, for ")
    assert f"/console/conversations/{turn['conversationId']}" in shown.links()
    assert MARKUP in shown.text
    assert shown.tree.xpath("//b[@onclick]") == []


async def test_texts_of_people_are_no_markup(viewer: Visit) -> None:
    lead = await capture_hot_lead(viewer.site, datetime.now(UTC), first_name=MARKUP)
    await create_task(viewer.site, lead, MARKUP)
    shown = await viewer.open(viewer.at_property("today"))
    assert MARKUP in shown.text
    assert f"{MARKUP} Lovelace is newly hot" in shown.tree.xpath("//tr/@data-notify")[0]
    assert shown.tree.xpath("//b") == []


async def test_a_task_is_finished_by_its_form(manager: Visit) -> None:
    lead = await manager.site.create_lead(firstName="Ada")
    task = await create_task(manager.site, lead)
    path = manager.at_property(f"tasks/{task}/finish")
    assert path in (await manager.open(manager.at_property("today"))).links()
    assert "Ada" in (await manager.open(path)).text
    shown = await manager.send(path, {"result": "She comes on Saturday."})
    assert "The task “Call back” is done." in shown.text
    assert "No task is open." in shown.text
    async with manager.site.world.pool.acquire() as conn:
        actor = await conn.fetchval("SELECT actor FROM crm_events WHERE event_type = 'task.done'")
    assert actor == f"user:{manager.site.manager}"
    found = await manager.site.client.get(
        f"/api/leads/{lead}/tasks", headers=manager.site.console_headers()
    )
    [row] = found.json()["tasks"]
    assert (row["status"], row["result"]) == ("done", "She comes on Saturday.")


async def test_a_viewer_sees_tasks_but_cannot_finish_them(viewer: Visit) -> None:
    task = await create_task(viewer.site, await viewer.site.create_lead(firstName="Ada"))
    shown = await viewer.open(viewer.at_property("today"))
    assert "Call back" in shown.text
    path = viewer.at_property(f"tasks/{task}/finish")
    assert path not in shown.links()
    assert (await viewer.open(path)).status == 403


async def test_the_task_of_another_property_is_not_found(manager: Visit) -> None:
    path = manager.at_property(f"tasks/{UUID(int=1)}/finish")
    assert (await manager.open(path)).status == 404
