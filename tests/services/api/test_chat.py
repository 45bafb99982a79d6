"""The widget's chat through real HTTP."""

import asyncio
from typing import Any
from uuid import uuid4

from tests.services.api.conftest import ORIGIN, Site, employ, furnish

CHAT = "/api/lumaleasing/chat"


async def test_a_first_message_begins_session_and_conversation_and_is_answered(
    site: Site,
) -> None:
    said = await site.chat("Can I book a tour?")
    assert said["content"] == "You said: Can I book a tour?"
    assert said["wantsTour"] is True
    assert (
        said["isHumanMode"] is said["waitingForHuman"] is said["shouldPromptLeadCapture"] is False
    )
    assert said["leadCapturePrompt"] is None
    assert await site.log() == [
        "session.started", "conversation.started", "conversation.message_received",
        "conversation.replied",
    ]  # fmt: skip
    await site.project()
    assert await site.world.count("messages") == 2


async def test_the_third_turn_of_a_stranger_asks_for_contact(site: Site) -> None:
    first = await site.chat("hello")
    ids = {"sessionId": first["sessionId"], "conversationId": first["conversationId"]}
    second = await site.chat("and", **ids)
    third = await site.chat("what about pets?", **ids)
    assert [second["shouldPromptLeadCapture"], third["shouldPromptLeadCapture"]] == [False, True]
    assert third["leadCapturePrompt"]
    assert third["conversationId"] == first["conversationId"]


async def test_lead_info_makes_a_lead_and_the_chat_is_its(site: Site) -> None:
    first = await site.chat("hello")
    said = await site.chat(
        "it is me", sessionId=first["sessionId"],
        leadInfo={"first_name": "Ada", "email": "Ada@Example.com", "phone": "(212) 555-0100"},
    )  # fmt: skip
    assert said["conversationId"] == first["conversationId"]
    assert "lead.captured" in await site.log()
    await site.project()
    async with site.world.pool.acquire() as conn:
        lead = await conn.fetchrow("SELECT * FROM leads")
        kinds = await conn.fetch("SELECT event_type FROM lead_engagement_events")
    assert lead is not None
    assert (lead["email"], lead["phone"]) == ("ada@example.com", "+12125550100")
    assert lead["source"] == "LumaLeasing Widget"
    assert sorted(row["event_type"] for row in kinds) == [
        "chat_message_sent", "chat_started", "website_lead_submitted",
    ]  # fmt: skip


async def test_the_same_message_id_is_one_message_with_one_answer(site: Site) -> None:
    message = str(uuid4())
    first = await site.chat("hello", messageId=message)
    again = await site.chat("hello", messageId=message, sessionId=first["sessionId"])
    assert again["content"] == first["content"]
    assert (await site.log()).count("conversation.message_received") == 1
    assert (await site.log()).count("conversation.replied") == 1
    other = await site.client.post(
        CHAT, json={"message": "else", "messageId": message, "sessionId": first["sessionId"]},
        headers=site.widget(),
    )  # fmt: skip
    assert other.status_code == 422


async def test_a_key_is_decided_once_even_in_parallel(site: Site) -> None:
    headers = site.widget(**{"Idempotency-Key": "one"})
    answers = await asyncio.gather(
        *(site.client.post(CHAT, json={"message": "hi"}, headers=headers) for _ in range(4))
    )
    assert {answer.text for answer in answers} == {answers[0].text}
    assert answers[0].status_code == 200
    assert len({answer.headers["X-CRM-Token"] for answer in answers}) == 1
    assert (await site.log()).count("conversation.message_received") == 1
    other = await site.client.post(CHAT, json={"message": "else"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_key_whose_time_is_over_may_say_something_else(site: Site) -> None:
    headers = site.widget(**{"Idempotency-Key": "one"})
    for word in ("hi", "else"):
        answer = await site.client.post(CHAT, json={"message": word}, headers=headers)
        assert answer.status_code == 200
        await site.world.pool.execute("UPDATE crm.commands SET expires_at = '2020-01-01'")
    assert (await site.log()).count("conversation.message_received") == 2
    assert (await site.log()).count("conversation.replied") == 2


async def test_a_bot_that_fails_leaves_the_visitor_to_a_person_and_says_so(site: Site) -> None:
    site.parrot.fails = True
    said = await site.chat("hello")
    assert said["waitingForHuman"] is True
    assert said["content"]
    assert (await site.log())[-1] == "conversation.waiting"
    await site.project()


async def test_a_bot_that_is_switched_off_is_not_asked(site: Site) -> None:
    site.key = await furnish(site.world, auto_reply_enabled=False)
    said = await site.chat("hello")
    assert (said["content"], said["waitingForHuman"]) == (None, True)
    assert site.parrot.turns == []


async def test_in_human_mode_the_bot_is_silent(site: Site) -> None:
    from events.chat import ConversationTakenOver

    first = await site.chat("hello")
    await site.world.append(
        site.world.new(ConversationTakenOver(
            conversation_id=first["conversationId"], agent_id=await employ(site.world, "manager"),
            epoch=1,
        ))
    )  # fmt: skip
    said = await site.chat("are you there?", sessionId=first["sessionId"])
    assert said["content"] is None
    assert said["isHumanMode"] is said["waitingForHuman"] is True


async def test_a_session_of_another_visitor_is_not_found(site: Site) -> None:
    first = await site.chat("hello")
    for ids in (
        {"sessionId": first["sessionId"]},
        {"sessionId": first["sessionId"], "conversationId": first["conversationId"]},
        {"conversationId": first["conversationId"]},
        {"sessionId": str(uuid4()), "conversationId": first["conversationId"]},
    ):
        answer = await site.client.post(
            CHAT, json={"message": "hi", **ids}, headers=site.widget("v_2")
        )
        assert answer.status_code == 404, ids
    await site.project()
    seen = await site.client.get(
        CHAT, params={"sessionId": first["sessionId"]}, headers=site.widget("v_2")
    )
    assert seen.status_code == 404


async def test_a_visitor_reads_what_was_said_since(site: Site) -> None:
    first = await site.chat("hello")
    await site.project()
    query = {"sessionId": first["sessionId"]}
    seen = (await site.client.get(CHAT, params=query, headers=site.widget())).json()
    assert [one["role"] for one in seen["messages"]] == ["user", "assistant"]
    await site.chat("more", sessionId=first["sessionId"])
    await site.project()
    since = await site.client.get(
        CHAT, params={**query, "after": seen["after"]}, headers=site.widget()
    )
    assert [one["content"] for one in since.json()["messages"]] == ["more", "You said: more"]
    bad = await site.client.get(CHAT, params={**query, "after": "x"}, headers=site.widget())
    assert bad.status_code == 400


async def test_no_key_and_a_bad_key_are_401(site: Site) -> None:
    for headers in ({}, {"X-API-Key": "nope"}, {"Authorization": "Bearer nope"}):
        answer = await site.client.post(CHAT, json={"message": "hi"}, headers=headers)
        assert answer.status_code == 401
    answer = await site.client.post(
        CHAT, json={"message": "hi"}, headers={"Authorization": f"Bearer {site.key}"}
    )
    assert answer.status_code == 200


async def test_an_empty_last_message_is_400(site: Site) -> None:
    bodies: tuple[dict[str, Any], ...] = (
        {}, {"message": " "}, {"messages": []}, {"messages": [{"role": "user", "content": ""}]},
        {"messages": [{"role": "assistant", "content": "hi"}]},
    )  # fmt: skip
    for body in bodies:
        answer = await site.client.post(CHAT, json=body, headers=site.widget())
        assert answer.status_code == 400, body


async def test_only_allowed_origins_may_read_answers(site: Site) -> None:
    good = await site.client.post(CHAT, json={"message": "hi"}, headers=site.widget(Origin=ORIGIN))
    assert good.headers["Access-Control-Allow-Origin"] == ORIGIN
    for origin in ("https://evil.example.com", "null"):
        bad = await site.client.post(
            CHAT, json={"message": "hi"}, headers=site.widget(Origin=origin)
        )
        assert bad.status_code == 403
        assert "Access-Control-Allow-Origin" not in bad.headers


async def test_a_preflight_is_answered_for_allowed_origins_only(site: Site) -> None:
    async def ask(origin: str) -> tuple[int, str | None]:
        answer = await site.client.options(
            CHAT, headers={"Origin": origin, "Access-Control-Request-Method": "POST"}
        )
        return answer.status_code, answer.headers.get("Access-Control-Allow-Origin")

    assert await ask(ORIGIN) == (204, ORIGIN)
    assert await ask("https://evil.example.com") == (403, None)
    assert await ask("null") == (403, None)


async def test_a_widget_that_is_switched_off_answers_403(site: Site) -> None:
    site.key = await furnish(site.world, is_active=False)
    answer = await site.client.post(CHAT, json={"message": "hi"}, headers=site.widget())
    assert answer.status_code == 403


async def test_a_contact_left_in_the_widget_becomes_the_sessions_lead(site: Site) -> None:
    first = await site.chat("hello")
    url = "/api/lumaleasing/lead"
    body = {
        "sessionId": first["sessionId"], "firstName": "Ada", "lastName": "", "email": "a@b.co",
        "phone": "", "moveInDate": "2027-02-01", "bedroomPreference": 2, "notes": "a dog",
    }  # fmt: skip
    answer = await site.client.post(url, json=body, headers=site.widget())
    assert answer.status_code == 200, answer.text
    lead = answer.json()["leadId"]
    again = await site.client.post(
        url, json={"leadInfo": {"email": "A@B.co", "phone": "212 555 0100"}}, headers=site.widget()
    )
    assert again.json()["leadId"] == lead
    await site.project()
    async with site.world.pool.acquire() as conn:
        row = await conn.fetchrow("SELECT * FROM leads")
        session = await conn.fetchrow("SELECT * FROM widget_sessions")
        held = await conn.fetchrow("SELECT * FROM conversations")
        notes = await conn.fetchval("SELECT count(*) FROM lead_activities WHERE type = 'note'")
    assert row is not None
    assert session is not None
    assert held is not None
    assert (row["bedrooms"], row["notes"], row["phone"]) == ("2", "a dog", "+12125550100")
    assert str(session["lead_id"]) == str(held["lead_id"]) == lead
    assert notes == 1
    nothing = await site.client.post(url, json={"firstName": "Ada"}, headers=site.widget())
    assert nothing.status_code == 400
