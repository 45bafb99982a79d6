"""The inbox and the page of a conversation: who waits, take over, reply, give back."""

from uuid import uuid4

from tests.services.api.console.visits import Visit, open_visit
from tests.services.api.conversation_requests import start_conversation, take_over
from tests.services.api.site import Site, create_profile

MARKUP = "<b onclick=alert(1)>&amp;"


def path_of(conversation: str, form: str = "") -> str:
    return f"/console/conversations/{conversation}{form}"


async def read_actors(site: Site, event_type: str) -> list[str]:
    async with site.world.pool.acquire() as conn:
        rows = await conn.fetch("SELECT actor FROM crm_events WHERE event_type = $1", event_type)
    return [row["actor"] for row in rows]


async def test_an_inbox_without_conversations_says_what_will_be_there(viewer: Visit) -> None:
    shown = await viewer.open(viewer.at_property("inbox"))
    assert shown.answer == "No visitor waits for a person."
    assert "No visitor has written yet." in shown.text


async def test_conversations_that_wait_are_on_top(viewer: Visit) -> None:
    session, waiting = await start_conversation(viewer.site, f"first {MARKUP}")
    _, newest = await start_conversation(viewer.site, "second", visitor="v_2")
    await take_over(viewer.site, waiting)
    await viewer.site.send_chat(f"anybody? {MARKUP}", sessionId=session, conversationId=waiting)
    await viewer.site.project()
    shown = await viewer.open(viewer.at_property("inbox"))
    assert shown.answer.startswith("1 conversation waits for a person, for ")
    rows = shown.tree.xpath("//tr[@data-row]/@id")
    assert rows == [f"conversation-{waiting}", f"conversation-{newest}"]
    assert shown.tree.xpath("//tr[@data-notify]/@id") == [f"conversation-{waiting}"]
    assert f"anybody? {MARKUP}" in shown.text
    assert shown.tree.xpath("//b") == []
    assert path_of(waiting) in shown.links()


async def test_an_agent_takes_over_replies_and_gives_back(manager: Visit) -> None:
    site = manager.site
    session, conversation = await start_conversation(site, "hello")
    await site.project()
    shown = await manager.open(path_of(conversation))
    assert shown.answer == "The bot replies to a visitor."
    assert path_of(conversation, "/takeover") in shown.links()
    assert shown.tree.xpath("//textarea") == []
    shown = await manager.send(path_of(conversation, "/takeover"))
    assert shown.answer == "You lead this conversation with a visitor."
    assert "Somebody of our team has joined" in shown.text
    await site.send_chat(MARKUP, sessionId=session, conversationId=conversation)
    shown = await manager.post(
        path_of(conversation, "/reply"),
        {**shown.form(path_of(conversation, "/reply")), "content": "Saturday is free."},
    )
    assert "Your reply was sent." in shown.text
    messages = [" ".join(text.split()) for text in shown.tree.xpath("//ol//p/text()")]
    assert messages[-2:] == [MARKUP, "Saturday is free."]
    assert shown.tree.xpath("//textarea[@autofocus]/@name") == ["content"]
    assert shown.tree.xpath("//b") == []
    shown = await manager.send(path_of(conversation, "/give-back"))
    assert shown.answer == "The bot replies to a visitor."
    for event in ("taken_over", "answered", "released"):
        actors = await read_actors(site, f"conversation.{event}")
        assert actors == [f"user:{site.manager}"]
    found = await site.client.get(
        f"/api/conversations/{conversation}", headers=site.console_headers()
    )
    assert found.json()["conversation"]["is_human_mode"] is False
    assert found.json()["conversation"]["messages"][-2]["agent_name"] == "Sam"


async def test_a_reply_that_is_sent_twice_is_stored_once(manager: Visit) -> None:
    _, conversation = await start_conversation(manager.site)
    await take_over(manager.site, conversation)
    await manager.site.project()
    fields = (await manager.open(path_of(conversation))).form(path_of(conversation, "/reply"))
    for _ in range(2):
        await manager.post(path_of(conversation, "/reply"), {**fields, "content": "Yes."})
    assert len(await read_actors(manager.site, "conversation.answered")) == 1


async def test_a_refused_reply_keeps_its_text_and_says_why(manager: Visit) -> None:
    _, conversation = await start_conversation(manager.site)
    await manager.site.project()
    shown = await manager.post(path_of(conversation, "/reply"), {"content": f"Yes {MARKUP}"})
    assert shown.status == 409
    assert "take the conversation over before you answer" in shown.text
    assert shown.form(path_of(conversation, "/reply"))["content"] == f"Yes {MARKUP}"
    assert await read_actors(manager.site, "conversation.answered") == []


async def test_a_conversation_of_another_agent_says_whose_it_is(manager: Visit) -> None:
    other = await create_profile(manager.site.world, "manager")
    _, conversation = await start_conversation(manager.site)
    await take_over(manager.site, conversation, other)
    await manager.site.project()
    shown = await manager.open(path_of(conversation))
    assert shown.answer == "Sam leads this conversation with a visitor."
    assert "Only Sam or an admin can give it back" in shown.text
    assert not {link for link in shown.links() if link.startswith(path_of(conversation, "/"))}
    assert shown.tree.xpath("//textarea") == []
    async with open_visit(manager.site, manager.site.admin) as admin:
        shown = await admin.send(path_of(conversation, "/give-back"))
        assert shown.answer == "The bot replies to a visitor."


async def test_a_viewer_reads_a_conversation_but_sees_no_button(viewer: Visit) -> None:
    _, conversation = await start_conversation(viewer.site, "hello")
    await viewer.site.project()
    shown = await viewer.open(path_of(conversation))
    assert "hello" in shown.text
    assert not {link for link in shown.links() if link.startswith(path_of(conversation, "/"))}
    for form in ("/takeover", "/give-back", "/reply"):
        assert (await viewer.open(path_of(conversation, form))).status == 403


async def test_the_lead_of_a_conversation_is_shown_at_the_side(viewer: Visit) -> None:
    details = {"email": "ada@example.com", "firstName": MARKUP, "phone": "+12125550123"}
    _, conversation = await start_conversation(viewer.site, "hello", leadInfo=details)
    await viewer.site.project()
    lead = await viewer.site.find_lead("ada@example.com")
    shown = await viewer.open(path_of(conversation))
    assert f"/console/leads/{lead}" in shown.links()
    assert shown.tree.xpath("//aside//span[starts-with(@class, 'tag')]")
    assert shown.answer == f"The bot replies to {MARKUP}."
    assert shown.tree.xpath("//b") == []


async def test_the_conversation_of_another_organisation_is_not_found(manager: Visit) -> None:
    assert (await manager.open(path_of(str(uuid4())))).status == 404
