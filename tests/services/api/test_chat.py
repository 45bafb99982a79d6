"""The widget's chat over HTTP."""

import asyncio
from typing import Any
from uuid import uuid4

from events.conversations import ConversationTakenOver
from services.application.chat_turns import LEAD_PROMPT, SORRY
from tests.services.api.consistency_tokens import read_token
from tests.services.api.site import CHAT, ORIGIN, Site, create_profile, create_widget


async def test_a_first_message_starts_a_session_and_a_conversation_and_gets_a_reply(
    site: Site,
) -> None:
    turn = await site.send_chat("Can I book a tour?")
    assert turn["content"] == "Echo: Can I book a tour?"
    assert turn["wantsTour"] is True
    assert (
        turn["isHumanMode"] is turn["waitingForHuman"] is turn["shouldPromptLeadCapture"] is False
    )
    assert turn["leadCapturePrompt"] is None
    assert await site.read_event_types() == [
        "session.started", "conversation.started", "conversation.message_received",
        "conversation.replied",
    ]  # fmt: skip
    await site.project()
    assert await site.world.count("messages") == 2


async def test_the_third_turn_of_an_unknown_visitor_prompts_for_contact_details(site: Site) -> None:
    first = await site.send_chat("hello")
    ids = {"sessionId": first["sessionId"], "conversationId": first["conversationId"]}
    second = await site.send_chat("and", **ids)
    third = await site.send_chat("what about pets?", **ids)
    assert [second["shouldPromptLeadCapture"], third["shouldPromptLeadCapture"]] == [False, True]
    assert third["leadCapturePrompt"] == LEAD_PROMPT
    assert third["conversationId"] == first["conversationId"]


async def test_contact_details_in_a_message_create_the_conversation_s_lead(site: Site) -> None:
    first = await site.send_chat("hello")
    turn = await site.send_chat(
        "it is me", sessionId=first["sessionId"],
        leadInfo={"first_name": "Ada", "email": "Ada@Example.com", "phone": "(212) 555-0100"},
    )  # fmt: skip
    assert turn["conversationId"] == first["conversationId"]
    assert "lead.captured" in await site.read_event_types()
    await site.project()
    async with site.world.pool.acquire() as conn:
        lead = await conn.fetchrow("SELECT * FROM leads")
        engagements = await conn.fetch("SELECT event_type FROM lead_engagement_events")
    assert lead is not None
    assert (lead["email"], lead["phone"]) == ("Ada@Example.com", "+12125550100")
    assert lead["source"] == "LumaLeasing Widget"
    assert sorted(row["event_type"] for row in engagements) == [
        "chat_message_sent", "chat_started", "website_lead_submitted",
    ]  # fmt: skip


async def test_a_repeated_message_id_is_one_message_with_one_reply(site: Site) -> None:
    message = str(uuid4())
    first = await site.send_chat("hello", messageId=message)
    again = await site.send_chat("hello", messageId=message, sessionId=first["sessionId"])
    assert again["content"] == first["content"]
    assert (await site.read_event_types()).count("conversation.message_received") == 1
    assert (await site.read_event_types()).count("conversation.replied") == 1
    other = await site.client.post(
        CHAT, json={"message": "else", "messageId": message, "sessionId": first["sessionId"]},
        headers=site.widget_headers(),
    )  # fmt: skip
    assert (other.status_code, other.json()["code"]) == (422, "id_reused")


async def test_parallel_requests_with_one_key_are_one_message(site: Site) -> None:
    headers = site.widget_headers(**{"Idempotency-Key": "one"})
    responses = await asyncio.gather(
        *(site.client.post(CHAT, json={"message": "hi"}, headers=headers) for _ in range(4))
    )
    first = {**responses[0].json(), "sessionToken": None}
    assert all({**response.json(), "sessionToken": None} == first for response in responses)
    assert responses[0].status_code == 200
    assert len({await read_token(site, response) for response in responses}) == 1
    assert (await site.read_event_types()).count("conversation.message_received") == 1
    other = await site.client.post(CHAT, json={"message": "else"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_an_expired_idempotency_key_can_be_used_again(site: Site) -> None:
    headers = site.widget_headers(**{"Idempotency-Key": "one"})
    for text in ("hi", "else"):
        response = await site.client.post(CHAT, json={"message": text}, headers=headers)
        assert response.status_code == 200
        await site.world.pool.execute("UPDATE crm.commands SET expires_at = '2020-01-01'")
    assert (await site.read_event_types()).count("conversation.message_received") == 2
    assert (await site.read_event_types()).count("conversation.replied") == 2


async def test_a_failed_reply_leaves_the_conversation_waiting_for_an_agent(site: Site) -> None:
    site.responder.fails = True
    turn = await site.send_chat("hello")
    assert turn["waitingForHuman"] is True
    assert turn["content"] == SORRY
    assert (await site.read_event_types())[-1] == "conversation.waiting"
    await site.project()


async def test_a_responder_that_is_switched_off_gets_no_request(site: Site) -> None:
    site.key = await create_widget(site.world, auto_reply_enabled=False)
    turn = await site.send_chat("hello")
    assert (turn["content"], turn["waitingForHuman"]) == (None, True)
    assert site.responder.requests == []


async def test_the_responder_does_not_reply_after_a_takeover(site: Site) -> None:
    first = await site.send_chat("hello")
    await site.world.append(
        site.world.new(
            ConversationTakenOver(
                conversation_id=first["conversationId"],
                agent_id=await create_profile(site.world, "manager"),
                epoch=1,
            )
        )
    )
    turn = await site.send_chat("are you there?", sessionId=first["sessionId"])
    assert turn["content"] is None
    assert turn["isHumanMode"] is turn["waitingForHuman"] is True


async def test_a_session_of_another_visitor_is_not_found(site: Site) -> None:
    first = await site.send_chat("hello")
    for ids in (
        {"sessionId": first["sessionId"]},
        {"sessionId": first["sessionId"], "conversationId": first["conversationId"]},
        {"conversationId": first["conversationId"]},
        {"sessionId": str(uuid4()), "conversationId": first["conversationId"]},
    ):
        response = await site.client.post(
            CHAT, json={"message": "hi", **ids}, headers=site.widget_headers("v_2")
        )
        assert response.status_code == 404, ids
    await site.project()
    read = await site.client.get(
        CHAT, params={"sessionId": first["sessionId"]}, headers=site.widget_headers("v_2")
    )
    assert read.status_code == 404


async def test_a_visitor_reads_the_messages_after_a_cursor(site: Site) -> None:
    first = await site.send_chat("hello")
    await site.project()
    query = {"sessionId": first["sessionId"]}
    first_page = (await site.client.get(CHAT, params=query, headers=site.widget_headers())).json()
    assert [message["role"] for message in first_page["messages"]] == ["user", "assistant"]
    await site.send_chat("more", sessionId=first["sessionId"])
    await site.project()
    second_page = await site.client.get(
        CHAT, params={**query, "after": first_page["after"]}, headers=site.widget_headers()
    )
    assert [message["content"] for message in second_page.json()["messages"]] == [
        "more",
        "Echo: more",
    ]
    malformed = await site.client.get(
        CHAT, params={**query, "after": "x"}, headers=site.widget_headers()
    )
    assert (malformed.status_code, malformed.json()["code"]) == (400, "invalid_after")


async def test_a_missing_or_unknown_key_is_401(site: Site) -> None:
    for headers in ({}, {"X-API-Key": "nope"}, {"Authorization": "Bearer nope"}):
        response = await site.client.post(CHAT, json={"message": "hi"}, headers=headers)
        assert response.status_code == 401, headers
    response = await site.client.post(
        CHAT, json={"message": "hi"}, headers={"Authorization": f"Bearer {site.key}"}
    )
    assert response.status_code == 200


async def test_an_empty_message_is_400(site: Site) -> None:
    bodies: tuple[dict[str, Any], ...] = (
        {}, {"message": " "}, {"messages": []}, {"messages": [{"role": "user", "content": ""}]},
        {"messages": [{"role": "assistant", "content": "hi"}]},
    )  # fmt: skip
    for body in bodies:
        response = await site.client.post(CHAT, json=body, headers=site.widget_headers())
        assert (response.status_code, response.json()["code"]) == (400, "empty_message"), body


async def test_only_pages_of_allowed_origins_can_read_responses(site: Site) -> None:
    allowed = await site.client.post(
        CHAT, json={"message": "hi"}, headers=site.widget_headers(Origin=ORIGIN)
    )
    assert allowed.headers["Access-Control-Allow-Origin"] == ORIGIN
    for origin in ("https://evil.example.com", "null"):
        refused = await site.client.post(
            CHAT, json={"message": "hi"}, headers=site.widget_headers(Origin=origin)
        )
        assert (refused.status_code, refused.json()["code"]) == (403, "origin_not_allowed")
        assert "Access-Control-Allow-Origin" not in refused.headers


async def test_an_inactive_widget_is_403(site: Site) -> None:
    site.key = await create_widget(site.world, is_active=False)
    response = await site.client.post(CHAT, json={"message": "hi"}, headers=site.widget_headers())
    assert (response.status_code, response.json()["code"]) == (403, "widget_inactive")
