"""Takeover and release of conversations, over HTTP."""

from uuid import uuid4

from tests.services.api.conversation_requests import (
    CONVERSATIONS,
    answer,
    error_of,
    read,
    release,
    start_conversation,
    take_over,
)
from tests.services.api.site import CHAT, WIDGET_LEAD, Site, create_profile


async def test_a_takeover_is_shown_to_the_visitor(site: Site) -> None:
    session, conversation = await start_conversation(site)
    response = await take_over(site, conversation)
    assert response.status_code == 200, response.text
    takeover = response.json()
    assert takeover["success"] is True
    assert takeover["conversation"]["human_agent_id"] == str(site.manager)
    assert takeover["conversation"]["is_human_mode"] is True
    assert (await take_over(site, conversation)).json()["conversation"] == takeover["conversation"]
    assert (await site.read_event_types()).count("conversation.taken_over") == 1
    turn = await site.send_chat("are you there?", sessionId=session)
    assert (turn["content"], turn["isHumanMode"], turn["waitingForHuman"]) == (None, True, True)
    await site.project()
    read_by_visitor = await site.client.get(
        CHAT, params={"sessionId": session}, headers=site.widget_headers()
    )
    transcript = read_by_visitor.json()
    assert transcript["messages"][2]["content"] == takeover["message"]
    assert transcript["isHumanMode"] is True


async def test_one_manager_or_admin_at_a_time_can_take_over(site: Site) -> None:
    _, conversation = await start_conversation(site)
    other, admin = (
        await create_profile(site.world, "manager"),
        await create_profile(site.world, "admin"),
    )
    assert error_of(await take_over(site, conversation, site.viewer)) == (403, "forbidden")
    assert (await take_over(site, conversation, other)).status_code == 200
    assert error_of(await take_over(site, conversation)) == (409, "taken_over")
    assert error_of(await take_over(site, conversation, admin)) == (409, "taken_over")
    assert error_of(await answer(site, conversation, "me too")) == (409, "taken_over")
    assert (await site.client.post(f"{CONVERSATIONS}/{conversation}/takeover")).status_code == 401


async def test_the_agent_of_a_takeover_or_an_admin_can_release_the_conversation(
    site: Site,
) -> None:
    session, conversation = await start_conversation(site)
    other, admin = (
        await create_profile(site.world, "manager"),
        await create_profile(site.world, "admin"),
    )
    await take_over(site, conversation)
    assert error_of(await release(site, conversation, site.viewer)) == (403, "forbidden")
    assert error_of(await release(site, conversation, other)) == (403, "not_in_charge")
    released = await release(site, conversation)
    assert released.status_code == 200, released.text
    assert released.json()["conversation"]["is_human_mode"] is False
    assert released.json()["conversation"]["takeover_epoch"] == 2
    assert (await release(site, conversation)).status_code == 200
    assert (await site.read_event_types()).count("conversation.released") == 1
    assert (await site.send_chat("and now?", sessionId=session))["content"] == "Echo: and now?"
    await take_over(site, conversation, other)
    assert (await release(site, conversation, admin)).status_code == 200
    assert error_of(await answer(site, conversation, "still here", other)) == (
        409,
        "not_taken_over",
    )


async def test_a_takeover_response_contains_the_lead_of_the_session(site: Site) -> None:
    session, conversation = await start_conversation(site)
    await site.client.post(
        WIDGET_LEAD, json={"sessionId": session, "email": "ada@example.com"},
        headers=site.widget_headers(),
    )  # fmt: skip
    conversation_row = (await take_over(site, conversation)).json()["conversation"]
    assert conversation_row["lead_id"] == str(await site.find_lead("ada@example.com"))
    shown = (await read(site, conversationId=conversation)).json()["conversation"]
    assert {name: shown[name] for name in conversation_row} == conversation_row


async def test_events_after_the_contact_data_carry_the_lead_and_are_in_its_history(
    site: Site,
) -> None:
    session, conversation = await start_conversation(site)
    captured = await site.client.post(
        WIDGET_LEAD, json={"sessionId": session, "email": "ada@example.com"},
        headers=site.widget_headers(),
    )  # fmt: skip
    await site.send_chat("is it free?", sessionId=session)
    await take_over(site, conversation)
    await answer(site, conversation, "It is.")
    await release(site, conversation)
    site.responder.fails = True
    await site.send_chat("and the other one?", sessionId=session)
    async with site.world.pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT event_type, lead_id FROM crm_events WHERE entity_type = 'conversation' "
            "AND seq > (SELECT seq FROM crm_events WHERE event_type = 'session.identified')"
        )
        lead = await conn.fetchval(
            "SELECT entity_id FROM crm_events WHERE event_type = 'lead.captured'"
        )
    assert {row["event_type"] for row in rows} == {
        "conversation.message_received", "conversation.replied", "conversation.taken_over",
        "conversation.answered", "conversation.released", "conversation.waiting",
    }  # fmt: skip
    assert {row["lead_id"] for row in rows} == {lead}, captured.text
    await site.project()
    history = [
        (item["kind"], item.get("type") or item.get("author"))
        for item in (
            await site.client.get(f"/api/leads/{lead}/timeline", headers=site.console_headers())
        ).json()["items"]
    ]
    assert ("activity", "human_takeover") in history
    authors = [name for kind, name in history if kind == "message"]
    assert sorted(authors) == ["agent", "bot", "bot", *["system"] * 3, *["visitor"] * 3]


async def test_a_takeover_links_a_conversation_that_was_not_named_with_the_lead(
    site: Site,
) -> None:
    """A conversation may be missing in the table when the visitor leaves contact details."""
    session, _ = await start_conversation(site)
    other = str(uuid4())
    await site.send_chat("hello again", sessionId=session, conversationId=other)
    await site.client.post(
        WIDGET_LEAD, json={"sessionId": session, "email": "ada@example.com"},
        headers=site.widget_headers(),
    )  # fmt: skip
    await take_over(site, other)
    await site.project()
    async with site.world.pool.acquire() as conn:
        leads = await conn.fetch("SELECT lead_id FROM conversations")
    assert len({row["lead_id"] for row in leads}) == 1
    assert None not in {row["lead_id"] for row in leads}


async def test_requests_with_one_key_take_over_and_answer_once(site: Site) -> None:
    _, conversation = await start_conversation(site)
    headers = site.console_headers(more={"Idempotency-Key": "one"})
    takeovers = [
        await site.client.post(f"{CONVERSATIONS}/{conversation}/takeover", headers=headers)
        for _ in range(2)
    ]
    assert takeovers[0].text == takeovers[1].text
    answers = [
        await site.client.post(
            f"{CONVERSATIONS}/{conversation}/messages", json={"content": "hi"}, headers=headers
        )
        for _ in range(2)
    ]
    assert [response.status_code for response in answers] == [201, 201]
    assert answers[0].text == answers[1].text
    assert (await site.read_event_types()).count("conversation.answered") == 1
