"""Repeated requests without an Idempotency-Key: chat transcripts and messages to leads."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from services.adapters.responder import ResponderReply, ResponderRequest
from services.api import idempotency
from services.api.idempotency import delivery_id_candidates
from services.application.person_terms import PersonTerms
from services.application.sealed_tables import erase_rows, find_rows
from tests.conftest import until
from tests.services.api.consistency_tokens import read_token
from tests.services.api.site import CHAT, Site

HELLO = [{"role": "user", "content": "hello"}]


async def send(site: Site, visitor: str = "v_1", **body: Any) -> httpx2.Response:
    response = await site.client.post(CHAT, json=body, headers=site.widget_headers(visitor))
    assert response.status_code == 200, response.text
    return response


def text_of(response: httpx2.Response) -> str:
    """Return the body without the session token: a repetition need not get one."""
    return json.dumps({**response.json(), "sessionToken": None}, sort_keys=True)


async def count_messages(site: Site) -> tuple[int, int]:
    """Return the number of visitor messages and the number of replies in the log."""
    types = await site.read_event_types()
    return types.count("conversation.message_received"), types.count("conversation.replied")


def extend_transcript(
    transcript: list[dict[str, str]], response: httpx2.Response, text: str
) -> Any:
    """Return the transcript that a client sends with its next message."""
    reply = {"role": "assistant", "content": response.json()["content"]}
    return [*transcript, reply, {"role": "user", "content": text}]


async def test_a_repeated_first_message_is_one_session_with_one_reply(site: Site) -> None:
    responses = await asyncio.gather(*(send(site, messages=HELLO) for _ in range(3)))
    responses.append(await send(site, messages=HELLO))
    assert len({text_of(response) for response in responses}) == 1
    assert await count_messages(site) == (1, 1)
    await site.project()
    assert await site.world.count("widget_sessions") == 1


async def test_a_repeated_turn_has_the_first_response(site: Site) -> None:
    first = await send(site, messages=HELLO)
    session = first.json()["sessionId"]
    transcript = extend_transcript(HELLO, first, "two bedrooms?")
    responses = [await send(site, messages=transcript, sessionId=session) for _ in range(2)]
    assert text_of(responses[0]) == text_of(responses[1])
    first_token, second_token = [await read_token(site, response) for response in responses]
    assert first_token == second_token
    assert await count_messages(site) == (2, 2)


async def test_the_same_text_in_a_longer_transcript_is_a_new_message(site: Site) -> None:
    first = await send(site, messages=[{"role": "user", "content": "yes"}])
    session = first.json()["sessionId"]
    transcript = extend_transcript([{"role": "user", "content": "yes"}], first, "yes")
    second = await send(site, messages=transcript, sessionId=session)
    await send(site, messages=extend_transcript(transcript, second, "yes"), sessionId=session)
    assert await count_messages(site) == (3, 3)


async def test_repeated_contact_details_create_one_lead(site: Site) -> None:
    lead_info = {"firstName": "Ada", "email": "ada@example.com", "phone": "(212) 555-0100"}
    for _ in range(2):
        await send(site, messages=HELLO, leadInfo=lead_info)
    assert (await site.read_event_types()).count("lead.captured") == 1
    assert await count_messages(site) == (1, 1)


@pytest.mark.parametrize(
    "body", [{"message": "yes"}, {"messages": [{"role": "user", "content": "yes"}]}]
)
async def test_a_message_without_its_transcript_is_new_each_time(
    site: Site, body: dict[str, Any]
) -> None:
    session = (await send(site, messages=HELLO)).json()["sessionId"]
    for _ in range(2):
        await send(site, **body, sessionId=session)
    assert await count_messages(site) == (3, 3)


async def test_the_same_message_of_other_or_unknown_visitors_is_new(site: Site) -> None:
    for visitor in ("v_1", "v_2", "", ""):
        await send(site, visitor, messages=HELLO)
    assert await count_messages(site) == (4, 4)


async def test_a_repetition_is_recognised_in_the_next_window_and_not_later(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = 1_000
    monkeypatch.setattr(idempotency, "window_of", lambda _now: window)
    first = await send(site, messages=HELLO)
    window += 1
    assert text_of(await send(site, messages=HELLO)) == text_of(first)
    window += 2
    later = await send(site, messages=HELLO)
    assert later.json()["sessionId"] != first.json()["sessionId"]
    assert await count_messages(site) == (2, 2)


async def test_parallel_repetitions_at_the_end_of_a_window_are_one_turn(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = chain([1_000], repeat(1_001))
    monkeypatch.setattr(idempotency, "window_of", lambda _now: next(windows))
    responses = await asyncio.gather(*(send(site, messages=HELLO) for _ in range(4)))
    assert len({text_of(response) for response in responses}) == 1
    assert await count_messages(site) == (1, 1)


class SlowResponder:
    """A responder with a new reply to each request, which waits until `is_released` is set."""

    def __init__(self) -> None:
        self.request_count = 0
        self.is_released = asyncio.Event()

    async def reply(self, _request: ResponderRequest) -> ResponderReply:
        self.request_count += 1
        content = f"reply {self.request_count}"
        await self.is_released.wait()
        return ResponderReply(content)


@pytest.mark.parametrize(
    "body",
    [{"message": "hello", "messageId": str(uuid4())}, {"messages": HELLO}],
    ids=["by message id", "by transcript"],
)
async def test_a_repetition_while_the_reply_is_computed_has_the_same_reply(
    site: Site, monkeypatch: pytest.MonkeyPatch, body: dict[str, Any]
) -> None:
    responder = SlowResponder()
    monkeypatch.setattr(site.responder, "reply", responder.reply)
    tasks = [asyncio.create_task(send(site, **body)) for _ in range(3)]
    await until(lambda: responder.request_count == 3)
    responder.is_released.set()
    responses = await asyncio.gather(*tasks)
    assert len({response.json()["content"] for response in responses}) == 1
    assert await count_messages(site) == (1, 1)
    await site.project()


def test_a_repeated_message_is_recognised_in_the_next_window_and_not_later() -> None:
    user_id, lead, at = uuid4(), uuid4(), datetime(2026, 3, 1, 12, 9, 59, tzinfo=UTC)
    first = delivery_id_candidates(user_id, lead, b"{}", at)[0]
    assert first in delivery_id_candidates(user_id, lead, b"{}", at + timedelta(minutes=10))
    assert first not in delivery_id_candidates(user_id, lead, b"{}", at + timedelta(minutes=20))
    assert first not in delivery_id_candidates(user_id, lead, b"[]", at)
    assert first not in delivery_id_candidates(uuid4(), lead, b"{}", at)


async def test_a_repetition_after_an_erasure_is_refused_and_not_executed_again(site: Site) -> None:
    body = {"propertyId": str(site.property_id), "email": "quokka@example.com"}
    headers = {**site.console_headers(), "Idempotency-Key": "k1"}

    async def create() -> httpx2.Response:
        return await site.client.post("/api/leads", json=body, headers=headers)

    assert (await create()).status_code == 201
    assert (await create()).status_code == 201, "the stored result"
    person = PersonTerms(frozenset({site.property_id}), frozenset(), frozenset({body["email"]}))
    async with site.world.pool.acquire() as conn, conn.transaction():
        await erase_rows(conn, await find_rows(conn, person))
    refused = await create()
    assert (refused.status_code, refused.json()["code"]) == (410, "result_erased")
    assert (await site.read_event_types()).count("lead.captured") == 1
