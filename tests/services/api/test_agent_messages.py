"""Answers of agents in a conversation, over HTTP."""

from datetime import datetime
from uuid import uuid4

from tests.services.api.conversation_requests import (
    answer,
    error_of,
    release,
    start_conversation,
    take_over,
)
from tests.services.api.site import CHAT, WIDGET_LEAD, Site


async def test_an_answer_with_a_repeated_message_id_is_one_message(site: Site) -> None:
    _, conversation = await start_conversation(site)
    await take_over(site, conversation)
    message = str(uuid4())
    first = await answer(site, conversation, "At two.", messageId=message)
    assert first.status_code == 201, first.text
    assert first.json()["message"]["id"] == message
    await release(site, conversation)
    again = await answer(site, conversation, "At two.", messageId=message)
    assert again.json() == first.json()
    assert error_of(await answer(site, conversation, "At three.", messageId=message)) == (
        422,
        "id_reused",
    )
    assert (await site.read_event_types()).count("conversation.answered") == 1
    await site.project()


async def test_an_answer_to_a_lead_is_a_contact(site: Site) -> None:
    session, conversation = await start_conversation(site)
    await take_over(site, conversation)
    await answer(site, conversation, "Hello?")
    assert "lead.contacted" not in await site.read_event_types(), "the visitor is no lead yet"
    await site.client.post(
        WIDGET_LEAD, json={"sessionId": session, "email": "ada@example.com"},
        headers=site.widget_headers(),
    )  # fmt: skip
    message = str(uuid4())
    answered = await answer(site, conversation, "At two.", messageId=message)
    await answer(site, conversation, "At two.", messageId=message)
    assert (await site.read_event_types()).count("lead.contacted") == 1
    await site.project()
    async with site.world.pool.acquire() as conn:
        contacted_at = await conn.fetchval("SELECT last_contacted_at FROM leads")
        contact = await conn.fetchval(
            "SELECT payload FROM crm_events WHERE event_type = 'lead.contacted'"
        )
    assert contacted_at == datetime.fromisoformat(answered.json()["message"]["created_at"])
    assert (contact["channel"], contact["contacted_by"]) == (
        "chat", str(site.manager),
    )  # fmt: skip


async def test_a_message_id_is_unique_in_the_organisation(site: Site) -> None:
    """With two messages of one id, the second event would be parked by the primary key."""
    session, conversation = await start_conversation(site, visitor="v_1")
    _, other_conversation = await start_conversation(site, visitor="v_2")
    await take_over(site, other_conversation)
    message = str(uuid4())
    await answer(site, other_conversation, "At two.", messageId=message)
    await site.project()
    transcript = await site.client.get(
        CHAT, params={"sessionId": session}, headers=site.widget_headers()
    )
    visible_ids = [message["id"] for message in transcript.json()["messages"]]
    for used_id in (*visible_ids, message):
        for more in ({}, {"sessionId": session}, {"sessionId": str(uuid4())}):
            response = await site.client.post(
                CHAT, json={"message": "mine", "messageId": used_id, **more},
                headers=site.widget_headers(),
            )  # fmt: skip
            assert error_of(response) == (422, "id_reused")
    await take_over(site, conversation)
    for used_id in (*visible_ids, message):
        assert error_of(await answer(site, conversation, "Echo: hello", messageId=used_id)) == (
            422,
            "id_reused",
        )
    await site.project()


async def test_an_invalid_answer_is_refused(site: Site) -> None:
    _, conversation = await start_conversation(site)
    assert error_of(await answer(site, conversation, "too early")) == (409, "not_taken_over")
    await take_over(site, conversation)
    assert error_of(await answer(site, conversation, " \n")) == (400, "empty_message")
    assert error_of(await answer(site, conversation, "x" * 20_001)) == (400, "invalid")
    assert error_of(await answer(site, conversation, "hi", site.viewer)) == (403, "forbidden")
    assert error_of(await answer(site, str(uuid4()), "hi")) == (404, "not_found")
