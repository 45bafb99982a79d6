"""Conversations in the console over HTTP: list, messages, access, unusual input."""

from datetime import UTC, datetime
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.services.api.conversation_requests import (
    CONVERSATIONS,
    answer,
    error_of,
    read,
    start_conversation,
    take_over,
)
from tests.services.api.site import (
    CHAT,
    CHAT_STREAM,
    WIDGET_LEAD,
    Site,
    create_profile,
    create_widget,
    make_bearer_token,
)
from tests.services.api.unusual_input import UNUSUAL_BODIES, UNUSUAL_VALUES, check_handled
from tests.world import make_world


async def test_conversations_are_listed_newest_first_with_lead_and_last_message(site: Site) -> None:
    _, first = await start_conversation(site, visitor="v_1")
    session, second = await start_conversation(site, "x" * 80, visitor="v_2")
    lead = await site.create_lead(firstName="Ada")
    await site.client.post(
        WIDGET_LEAD, json={"sessionId": session, "email": "grace@example.com"},
        headers=site.widget_headers("v_2"),
    )  # fmt: skip
    listed = (await read(site, site.viewer)).json()["conversations"]
    assert [conversation["id"] for conversation in listed] == [second, first]
    newest = listed[0]
    assert (newest["messageCount"], newest["channel"]) == (2, "widget")
    assert newest["lead"]["email"] == "grace@example.com"
    assert newest["lastMessage"]["role"] == "assistant"
    shown = newest["lastMessage"]["content"]
    assert len(shown) == 50
    assert shown.endswith("x…")
    assert listed[1]["lead"] is None
    of_lead = (await read(site, leadId=newest["lead"]["id"])).json()["conversations"]
    assert [conversation["id"] for conversation in of_lead] == [second]
    assert (await read(site, leadId=str(lead))).json() == {"conversations": []}


async def test_at_most_twenty_conversations_are_listed(site: Site) -> None:
    for number in range(22):
        await site.send_chat(f"hello {number}", visitor=f"v_{number}")
    assert len((await read(site)).json()["conversations"]) == 20


async def test_a_conversation_shows_its_messages_in_order_with_their_authors(site: Site) -> None:
    session, conversation = await start_conversation(site)
    await take_over(site, conversation)
    await answer(site, conversation, "This is Sam")
    shown = (await read(site, site.viewer, conversationId=conversation)).json()["conversation"]
    assert [(message["role"], message["author"]) for message in shown["messages"]] == [
        ("user", "visitor"), ("assistant", "bot"), ("system", "system"), ("assistant", "agent"),
    ]  # fmt: skip
    assert shown["messages"][3]["human_agent_id"] == str(site.manager)
    assert (shown["is_human_mode"], shown["human_agent_id"]) == (True, str(site.manager))
    assert datetime.fromisoformat(shown["human_started_at"]) <= datetime.now(UTC)
    assert shown["human_ended_at"] is None
    assert (shown["widget_session_id"], shown["lead"]) == (session, None)
    earlier = (
        await read(site, conversationId=conversation, before=shown["messages"][2]["id"])
    ).json()["conversation"]  # fmt: skip
    assert earlier["messages"] == shown["messages"][:2]


async def test_conversations_of_other_organisations_and_properties_are_not_found(
    site: Site,
) -> None:
    _, conversation = await start_conversation(site)
    world = await make_world(site.world.pool, properties=2)
    other_admin = await create_profile(world, "admin")
    headers = {"Authorization": f"Bearer {make_bearer_token(other_admin)}"}
    first_property = {"propertyId": str(site.property_id)}
    await site.project()
    for query in (
        first_property,
        {**first_property, "conversationId": conversation},
        {"propertyId": str(uuid4())},
    ):
        response = await site.client.get(CONVERSATIONS, params=query, headers=headers)
        assert error_of(response) == (404, "not_found")
    other_property = {"propertyId": str(world.properties[0]), "conversationId": conversation}
    assert error_of(
        await site.client.get(CONVERSATIONS, params=other_property, headers=headers)
    ) == (404, "not_found")
    for method, path in (("POST", "takeover"), ("DELETE", "takeover"), ("POST", "messages")):
        body = {"content": "hi"} if path == "messages" else None
        response = await site.client.request(
            method, f"{CONVERSATIONS}/{conversation}/{path}", json=body, headers=headers
        )
        assert error_of(response) == (404, "not_found")
    assert "conversation.taken_over" not in await site.read_event_types()


async def test_a_visitor_of_another_property_does_not_find_the_session(site: Site) -> None:
    session, conversation = await start_conversation(site)
    world = await make_world(site.world.pool)
    headers = {"X-API-Key": await create_widget(world), "X-Visitor-ID": "v_1"}
    for path in (CHAT, CHAT_STREAM):
        response = await site.client.get(path, params={"sessionId": session}, headers=headers)
        assert error_of(response) == (404, "not_found"), path
    for names in (
        ("sessionId",), ("conversationId",), ("sessionId", "conversationId"),
    ):  # fmt: skip
        session, conversation = await start_conversation(site, f"hello {names}")
        own = {"sessionId": session, "conversationId": conversation}
        ids = {name: own[name] for name in names}
        response = await site.client.post(CHAT, json={"message": "hi", **ids}, headers=headers)
        unknown = {name: str(uuid4()) for name in ids}
        like = await site.client.post(CHAT, json={"message": "hi", **unknown}, headers=headers)
        assert response.status_code == like.status_code, ids
    async with site.world.pool.acquire() as conn:
        events = "SELECT count(*) FROM crm_events WHERE property_id = $1 AND actor LIKE 'visitor%'"
        assert await conn.fetchval(events, site.property_id) == 4 * 3


@pytest.mark.parametrize("path", ["messages", "takeover"])
async def test_every_field_and_id_handles_unusual_values(site: Site, path: str) -> None:
    _, conversation = await start_conversation(site)
    await take_over(site, conversation)
    for value in UNUSUAL_VALUES:
        if path == "messages":
            check_handled(await answer(site, conversation, value), value)
            check_handled(await answer(site, conversation, "hi", messageId=value), value)
        text = value if isinstance(value, str) and len(value) < 500 else "x"
        url = f"{CONVERSATIONS}/{quote(text, safe='')}/{path}"
        check_handled(
            await site.client.post(url, json={"content": "x"}, headers=site.console_headers()),
            value,
        )
        for name in ("propertyId", "conversationId", "leadId", "before"):
            check_handled(
                await site.client.get(
                    CONVERSATIONS, params={"propertyId": str(site.property_id), name: text},
                    headers=site.console_headers(),
                ),
                (name, value),
            )  # fmt: skip
    for body in UNUSUAL_BODIES:
        response = await site.client.post(
            f"{CONVERSATIONS}/{conversation}/{path}", content=body,
            headers=site.console_headers(more={"Content-Type": "application/json"}),
        )  # fmt: skip
        check_handled(response, body[:40])
    await site.project()


async def test_a_conversation_can_be_read_by_its_id_alone(site: Site) -> None:
    _, conversation = await start_conversation(site)
    by_property = (await read(site, conversationId=conversation)).json()
    response = await site.client.get(
        f"{CONVERSATIONS}/{conversation}", headers=site.console_headers(site.viewer)
    )
    assert response.json() == by_property
    response = await site.client.get(f"{CONVERSATIONS}/{uuid4()}", headers=site.console_headers())
    assert error_of(response) == (404, "not_found")


async def test_the_list_continues_before_a_conversation(site: Site) -> None:
    ids = [(await start_conversation(site, visitor=f"v_{n}"))[1] for n in range(3)]
    first = (await read(site, limit="2")).json()["conversations"]
    assert [row["id"] for row in first] == [ids[2], ids[1]]
    rest = (await read(site, limit="2", before=ids[1])).json()["conversations"]
    assert [row["id"] for row in rest] == [ids[0]]


async def test_the_list_can_be_of_conversations_that_wait(site: Site) -> None:
    session, waiting = await start_conversation(site)
    await start_conversation(site, visitor="v_2")
    assert (await read(site, waiting="true")).json()["conversations"] == []
    await take_over(site, waiting)
    await site.send_chat("anybody?", sessionId=session)
    [row] = (await read(site, waiting="true")).json()["conversations"]
    assert (row["id"], row["human_agent_name"]) == (waiting, "Sam")
    assert row["waiting_since"] == row["lastMessage"]["created_at"]
    await answer(site, waiting, "Yes.")
    assert (await read(site, waiting="true")).json()["conversations"] == []
