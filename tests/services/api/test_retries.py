"""The old client's habits: the whole transcript each time, no key, and again after a time-out."""

import asyncio
from itertools import chain, repeat
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from services.adapters.responder import Response, Turn
from services.api import retries
from tests.conftest import until
from tests.services.api.conftest import Site

CHAT = "/api/lumaleasing/chat"
HELLO = [{"role": "user", "content": "hello"}]


async def send(site: Site, visitor: str = "v_1", **body: Any) -> httpx2.Response:
    answer = await site.client.post(CHAT, json=body, headers=site.widget(visitor))
    assert answer.status_code == 200, answer.text
    return answer


async def heard(site: Site) -> tuple[int, int]:
    """How many messages of visitors there are, and how many replies."""
    log = await site.log()
    return log.count("conversation.message_received"), log.count("conversation.replied")


def longer(transcript: list[dict[str, str]], answer: httpx2.Response, text: str) -> Any:
    """The transcript of the next turn, as the client keeps it."""
    said = {"role": "assistant", "content": answer.json()["content"]}
    return [*transcript, said, {"role": "user", "content": text}]


async def test_a_first_contact_sent_again_is_one_session_with_one_answer(site: Site) -> None:
    answers = await asyncio.gather(*(send(site, messages=HELLO) for _ in range(3)))
    answers.append(await send(site, messages=HELLO))
    assert len({answer.text for answer in answers}) == 1
    assert await heard(site) == (1, 1)
    await site.project()
    assert await site.world.count("widget_sessions") == 1


async def test_a_turn_sent_again_is_answered_as_the_first_was(site: Site) -> None:
    first = await send(site, messages=HELLO)
    session = first.json()["sessionId"]
    turn = longer(HELLO, first, "two bedrooms?")
    answers = [await send(site, messages=turn, sessionId=session) for _ in range(2)]
    assert answers[0].text == answers[1].text
    assert answers[0].headers["X-CRM-Token"] == answers[1].headers["X-CRM-Token"]
    assert await heard(site) == (2, 2)


async def test_whoever_says_yes_twice_has_said_it_twice(site: Site) -> None:
    first = await send(site, messages=[{"role": "user", "content": "yes"}])
    session = first.json()["sessionId"]
    turn = longer([{"role": "user", "content": "yes"}], first, "yes")
    second = await send(site, messages=turn, sessionId=session)
    await send(site, messages=longer(turn, second, "yes"), sessionId=session)
    assert await heard(site) == (3, 3)


async def test_a_lead_that_is_told_of_twice_is_one(site: Site) -> None:
    info = {"firstName": "Ada", "email": "ada@example.com", "phone": "(212) 555-0100"}
    for _ in range(2):
        await send(site, messages=HELLO, leadInfo=info)
    assert (await site.log()).count("lead.captured") == 1
    assert await heard(site) == (1, 1)


@pytest.mark.parametrize(
    "body", [{"message": "yes"}, {"messages": [{"role": "user", "content": "yes"}]}]
)
async def test_what_does_not_tell_how_far_the_chat_is_is_new_each_time(
    site: Site, body: dict[str, Any]
) -> None:
    session = (await send(site, messages=HELLO)).json()["sessionId"]
    for _ in range(2):
        await send(site, **body, sessionId=session)
    assert await heard(site) == (3, 3)


async def test_others_and_nobody_are_not_taken_for_the_same_visitor(site: Site) -> None:
    for visitor in ("v_1", "v_2", "", ""):
        await send(site, visitor, messages=HELLO)
    assert await heard(site) == (4, 4)


async def test_what_is_said_again_later_is_said_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    minute = 1_000
    monkeypatch.setattr(retries, "_slot", lambda _now: minute)
    first = await send(site, messages=HELLO)
    minute += 1
    assert (await send(site, messages=HELLO)).text == first.text
    minute += 2
    later = await send(site, messages=HELLO)
    assert later.json()["sessionId"] != first.json()["sessionId"]
    assert await heard(site) == (2, 2)


async def test_two_at_once_on_either_side_of_a_minute_are_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    minutes = chain([1_000], repeat(1_001))
    monkeypatch.setattr(retries, "_slot", lambda _now: next(minutes))
    answers = await asyncio.gather(*(send(site, messages=HELLO) for _ in range(4)))
    assert len({answer.text for answer in answers}) == 1
    assert await heard(site) == (1, 1)


class Slow:
    """A responder that says another thing each time, and only when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_speak = asyncio.Event()

    async def reply(self, _turn: Turn) -> Response:
        self.asked += 1
        said = f"answer {self.asked}"
        await self.may_speak.wait()
        return Response(said)


@pytest.mark.parametrize(
    "body",
    [{"message": "hello", "messageId": str(uuid4())}, {"messages": HELLO}],
    ids=["with the message's id", "with the transcript"],
)
async def test_a_retry_while_the_first_is_still_thought_about_gets_the_same_answer(
    site: Site, monkeypatch: pytest.MonkeyPatch, body: dict[str, Any]
) -> None:
    slow = Slow()
    monkeypatch.setattr(site.parrot, "reply", slow.reply)
    sent = [asyncio.create_task(send(site, **body)) for _ in range(3)]
    await until(lambda: slow.asked == 3)
    slow.may_speak.set()
    answers = await asyncio.gather(*sent)
    assert len({answer.json()["content"] for answer in answers}) == 1
    assert await heard(site) == (1, 1)
    await site.project()
