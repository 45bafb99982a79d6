"""The console's conversations through real HTTP: who reads, takes over, answers and gives back."""

from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx2
import pytest

from tests.services.api.conftest import Site, employ, furnish, token_of
from tests.services.api.test_bad_input import NASTY, RAW, check
from tests.world import make_world

URL = "/api/conversations"


async def talked(site: Site, text: str = "hello", **more: Any) -> tuple[str, str]:
    """A conversation that has begun: its session and its id."""
    said = await site.chat(text, **more)
    return said["sessionId"], said["conversationId"]


async def read(site: Site, person: UUID | None = None, **query: str) -> httpx2.Response:
    await site.project()
    params = {"propertyId": str(site.property_id), **query}
    return await site.client.get(URL, params=params, headers=site.console(person))


async def take_over(site: Site, talk: str, person: UUID | None = None) -> httpx2.Response:
    return await site.client.post(f"{URL}/{talk}/takeover", headers=site.console(person))


async def give_back(site: Site, talk: str, person: UUID | None = None) -> httpx2.Response:
    return await site.client.delete(f"{URL}/{talk}/takeover", headers=site.console(person))


async def say(
    site: Site, talk: str, content: Any, person: UUID | None = None, **more: Any
) -> httpx2.Response:
    return await site.client.post(
        f"{URL}/{talk}/messages", json={"content": content, **more}, headers=site.console(person)
    )


def code(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_list_has_the_newest_first_with_their_lead_and_last_words(site: Site) -> None:
    _, first = await talked(site, visitor="v_1")
    session, second = await talked(site, "x" * 80, visitor="v_2")
    lead = await site.lead(firstName="Ada")
    await site.client.post(
        "/api/lumaleasing/lead", json={"sessionId": session, "email": "grace@example.com"},
        headers=site.widget("v_2"),
    )  # fmt: skip
    listed = (await read(site, site.viewer)).json()["conversations"]
    assert [one["id"] for one in listed] == [second, first]
    newest = listed[0]
    assert (newest["messageCount"], newest["channel"]) == (2, "widget")
    assert newest["lead"]["email"] == "grace@example.com"
    assert newest["lastMessage"]["role"] == "assistant"
    shown = newest["lastMessage"]["content"]
    assert len(shown) == 50
    assert shown.endswith("x…")
    assert listed[1]["lead"] is None
    of_lead = (await read(site, leadId=newest["lead"]["id"])).json()["conversations"]
    assert [one["id"] for one in of_lead] == [second]
    assert (await read(site, leadId=str(lead))).json() == {"conversations": []}


async def test_no_more_than_twenty_are_listed(site: Site) -> None:
    for number in range(22):
        await site.chat(f"hello {number}", visitor=f"v_{number}")
    assert len((await read(site)).json()["conversations"]) == 20


async def test_one_conversation_shows_what_was_said_in_order_and_who_said_it(site: Site) -> None:
    session, talk = await talked(site)
    await take_over(site, talk)
    await say(site, talk, "This is Sam")
    shown = (await read(site, site.viewer, conversationId=talk)).json()["conversation"]
    assert [(one["role"], one["author"]) for one in shown["messages"]] == [
        ("user", "visitor"), ("assistant", "bot"), ("system", "system"), ("assistant", "agent"),
    ]  # fmt: skip
    assert shown["messages"][3]["human_agent_id"] == str(site.manager)
    assert (shown["is_human_mode"], shown["human_agent_id"]) == (True, str(site.manager))
    assert shown["human_started_at"]
    assert shown["human_ended_at"] is None
    assert (shown["widget_session_id"], shown["lead"]) == (session, None)
    before = (
        await read(site, conversationId=talk, before=shown["messages"][2]["id"])
    ).json()["conversation"]  # fmt: skip
    assert before["messages"] == shown["messages"][:2]


async def test_an_agent_takes_over_and_the_visitor_is_told(site: Site) -> None:
    session, talk = await talked(site)
    answer = await take_over(site, talk)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["success"] is True
    assert said["conversation"]["human_agent_id"] == str(site.manager)
    assert said["conversation"]["is_human_mode"] is True
    assert (await take_over(site, talk)).json()["conversation"] == said["conversation"]
    assert (await site.log()).count("conversation.taken_over") == 1
    again = await site.chat("are you there?", sessionId=session)
    assert (again["content"], again["isHumanMode"], again["waitingForHuman"]) == (None, True, True)
    await site.project()
    seen = await site.client.get(
        "/api/lumaleasing/chat", params={"sessionId": session}, headers=site.widget()
    )
    told = seen.json()
    assert told["messages"][2]["content"] == said["message"]
    assert told["isHumanMode"] is True


async def test_only_managers_and_admins_take_over_and_one_at_a_time(site: Site) -> None:
    _, talk = await talked(site)
    other, admin = await employ(site.world, "manager"), await employ(site.world, "admin")
    assert code(await take_over(site, talk, site.viewer)) == (403, "forbidden")
    assert (await take_over(site, talk, other)).status_code == 200
    assert code(await take_over(site, talk)) == (409, "taken_over")
    assert code(await take_over(site, talk, admin)) == (409, "taken_over")
    assert code(await say(site, talk, "me too")) == (409, "taken_over")
    assert (await site.client.post(f"{URL}/{talk}/takeover")).status_code == 401


async def test_the_agent_in_charge_or_an_admin_gives_back_and_the_bot_speaks_again(
    site: Site,
) -> None:
    session, talk = await talked(site)
    other, admin = await employ(site.world, "manager"), await employ(site.world, "admin")
    await take_over(site, talk)
    assert code(await give_back(site, talk, site.viewer)) == (403, "forbidden")
    assert code(await give_back(site, talk, other)) == (403, "not_in_charge")
    back = await give_back(site, talk)
    assert back.status_code == 200, back.text
    assert back.json()["conversation"]["is_human_mode"] is False
    assert back.json()["conversation"]["takeover_epoch"] == 2
    assert (await give_back(site, talk)).status_code == 200
    assert (await site.log()).count("conversation.released") == 1
    assert (await site.chat("and now?", sessionId=session))["content"] == "You said: and now?"
    await take_over(site, talk, other)
    assert (await give_back(site, talk, admin)).status_code == 200
    assert code(await say(site, talk, "still here", other)) == (409, "not_taken_over")


async def test_a_conversation_in_an_answer_has_the_lead_its_session_was_given(site: Site) -> None:
    session, talk = await talked(site)
    left = await site.client.post(
        "/api/lumaleasing/lead", json={"sessionId": session, "email": "ada@example.com"},
        headers=site.widget(),
    )  # fmt: skip
    taken = (await take_over(site, talk)).json()["conversation"]
    assert taken["lead_id"] == left.json()["leadId"]
    shown = (await read(site, conversationId=talk)).json()["conversation"]
    assert {name: shown[name] for name in taken} == taken


async def test_an_answer_sent_twice_with_its_id_is_one_message(site: Site) -> None:
    _, talk = await talked(site)
    await take_over(site, talk)
    message = str(uuid4())
    first = await say(site, talk, "At two.", messageId=message)
    assert first.status_code == 201, first.text
    assert first.json()["message"]["id"] == message
    await give_back(site, talk)
    again = await say(site, talk, "At two.", messageId=message)
    assert again.json() == first.json()
    assert code(await say(site, talk, "At three.", messageId=message)) == (422, "id_reused")
    assert (await site.log()).count("conversation.answered") == 1
    await site.project()


async def test_a_message_id_is_one_message_in_all_of_the_organisation(site: Site) -> None:
    """Otherwise two rows would want the same key, and what touches them would wait for ever."""
    session, talk = await talked(site, visitor="v_1")
    _, other = await talked(site, visitor="v_2")
    await take_over(site, other)
    message = str(uuid4())
    await say(site, other, "At two.", messageId=message)
    await site.project()
    seen = await site.client.get(
        "/api/lumaleasing/chat", params={"sessionId": session}, headers=site.widget()
    )
    known = [one["id"] for one in seen.json()["messages"]]
    for taken in (*known, message):
        for more in ({}, {"sessionId": session}, {"sessionId": str(uuid4())}):
            answer = await site.client.post(
                "/api/lumaleasing/chat", json={"message": "mine", "messageId": taken, **more},
                headers=site.widget(),
            )  # fmt: skip
            assert answer.status_code == 422, answer.text
    await take_over(site, talk)
    for taken in (*known, message):
        assert code(await say(site, talk, "You said: hello", messageId=taken)) == (422, "id_reused")
    await site.project()


async def test_a_key_makes_a_takeover_and_an_answer_happen_once(site: Site) -> None:
    _, talk = await talked(site)
    headers = site.console(more={"Idempotency-Key": "one"})
    taken = [await site.client.post(f"{URL}/{talk}/takeover", headers=headers) for _ in range(2)]
    assert taken[0].text == taken[1].text
    said = [
        await site.client.post(f"{URL}/{talk}/messages", json={"content": "hi"}, headers=headers)
        for _ in range(2)
    ]
    assert [one.status_code for one in said] == [201, 201]
    assert said[0].text == said[1].text
    assert (await site.log()).count("conversation.answered") == 1


async def test_an_answer_that_is_none_is_refused(site: Site) -> None:
    _, talk = await talked(site)
    assert code(await say(site, talk, "too early")) == (409, "not_taken_over")
    await take_over(site, talk)
    assert code(await say(site, talk, " \n")) == (400, "empty_message")
    assert code(await say(site, talk, "x" * 20_001)) == (400, "invalid")
    assert code(await say(site, talk, "hi", site.viewer)) == (403, "forbidden")
    assert code(await say(site, str(uuid4()), "hi")) == (404, "not_found")


async def test_nothing_of_another_organisation_or_property_is_reached(site: Site) -> None:
    _, talk = await talked(site)
    world = await make_world(site.world.pool, properties=2)
    stranger = await employ(world, "admin")
    headers = {"Authorization": f"Bearer {token_of(stranger)}"}
    mine = {"propertyId": str(site.property_id)}
    await site.project()
    for query in (mine, {**mine, "conversationId": talk}, {"propertyId": str(uuid4())}):
        answer = await site.client.get(URL, params=query, headers=headers)
        assert code(answer) == (404, "not_found")
    theirs = {"propertyId": str(world.properties[0]), "conversationId": talk}
    assert code(await site.client.get(URL, params=theirs, headers=headers)) == (404, "not_found")
    for method, path in (("POST", "takeover"), ("DELETE", "takeover"), ("POST", "messages")):
        body = {"content": "hi"} if path == "messages" else None
        answer = await site.client.request(
            method, f"{URL}/{talk}/{path}", json=body, headers=headers
        )
        assert code(answer) == (404, "not_found")
    assert "conversation.taken_over" not in await site.log()


async def test_a_visitor_of_another_property_does_not_find_the_session(site: Site) -> None:
    session, talk = await talked(site)
    world = await make_world(site.world.pool)
    headers = {"X-API-Key": await furnish(world), "X-Visitor-ID": "v_1"}
    for ids in (
        {"sessionId": session},
        {"conversationId": talk},
        {"sessionId": session, "conversationId": talk},
        {"sessionId": str(uuid4()), "conversationId": talk},
    ):
        answer = await site.client.post(
            "/api/lumaleasing/chat", json={"message": "hi", **ids}, headers=headers
        )
        assert answer.status_code == 404, (ids, answer.text)
    await site.project()
    for path in ("/api/lumaleasing/chat", "/api/lumaleasing/chat/stream"):
        seen = await site.client.get(path, params={"sessionId": session}, headers=headers)
        assert seen.status_code == 404


@pytest.mark.parametrize("path", ["messages", "takeover"])
async def test_every_field_and_id_takes_every_nasty_value(site: Site, path: str) -> None:
    _, talk = await talked(site)
    await take_over(site, talk)
    for value in NASTY:
        if path == "messages":
            check(await say(site, talk, value), value)
            check(await say(site, talk, "hi", messageId=value), value)
        text = value if isinstance(value, str) and len(value) < 500 else "x"
        url = f"{URL}/{quote(text, safe='')}/{path}"
        check(await site.client.post(url, json={"content": "x"}, headers=site.console()), value)
        for name in ("propertyId", "conversationId", "leadId", "before"):
            check(
                await site.client.get(
                    URL, params={"propertyId": str(site.property_id), name: text},
                    headers=site.console(),
                ),
                (name, value),
            )  # fmt: skip
    for raw in RAW:
        answer = await site.client.post(
            f"{URL}/{talk}/{path}", content=raw,
            headers=site.console(more={"Content-Type": "application/json"}),
        )  # fmt: skip
        check(answer, raw[:40])
    await site.project()
