"""The contract of every responder, and the failures of the endpoint of a language model."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from services.adapters import model_responder
from services.adapters.model_responder import ATTEMPTS, MAX_RESPONSE_BYTES, open_responder
from services.adapters.prompt import (
    MAX_CHARACTERS,
    MAX_MESSAGE_CHARACTERS,
    MAX_MESSAGES,
    build_messages,
)
from services.adapters.responder import MAX_REPLY_CHARACTERS, NoReply, Responder, ResponderRequest
from services.adapters.scripted_responder import ScriptedResponder
from services.runtime.settings import Settings
from tests.services.adapters.endpoint import Endpoint, completion, listening, plain

HOURS = {"monday": {"start": "09:00", "end": "18:00"}, "sunday": None}
REQUEST = ResponderRequest(
    "Do you take dogs?", "The Alder", {"street": "1 Main St", "city": "Troy"}, {},
    {"business_hours": HOURS, "greeting_message": "Hey!"},
)  # fmt: skip
MALFORMED_HOURS: tuple[dict[str, Any], ...] = (
    {"business_hours": {"monday": {"start": 9}}},
    {"business_hours": ["x"], "greeting_message": 7},
)
REQUESTS = (
    REQUEST,
    replace(REQUEST, message=""),
    replace(REQUEST, message="x" * 20_000),
    replace(REQUEST, message="💥\u202e\x07 when are you open? \\ \" '; --"),
    *(replace(REQUEST, message="hours?", widget_settings=hours) for hours in MALFORMED_HOURS),
    replace(REQUEST, message="where?", address={"street": None, "zip": 12180}),
    replace(REQUEST, message="how much?", property_name="N" * 10_000),
    replace(REQUEST, message="a tour", wants_tour=True, widget_settings={"tours_enabled": False}),
    replace(REQUEST, history=(("user", "hi"), ("assistant", "Hey!"), ("system", "A person"))),
    replace(REQUEST, history=tuple(("user", "y" * 20_000) for _ in range(1_000))),
)


@asynccontextmanager
async def scripted(_settings: Settings) -> AsyncIterator[Responder]:
    yield ScriptedResponder()


@asynccontextmanager
async def by_http(settings: Settings) -> AsyncIterator[Responder]:
    async with listening() as endpoint:
        endpoint.reply_with("We do, up to two.")
        async with connected(settings, endpoint) as responder:
            yield responder


@asynccontextmanager
async def connected(
    settings: Settings, endpoint: Endpoint, **more: Any
) -> AsyncIterator[Responder]:
    changes = {"responder_url": endpoint.url, "responder_timeout_seconds": 5.0, **more}
    async with open_responder(settings.model_copy(update=changes)) as responder:
        yield responder


@pytest.mark.parametrize("opened", [scripted, by_http])
async def test_a_reply_has_text_and_a_limited_length(settings: Settings, opened: Any) -> None:
    async with opened(settings) as responder:
        for request in REQUESTS:
            content = (await responder.reply(request)).content
            assert 1 <= len(content.strip()) <= len(content) <= MAX_REPLY_CHARACTERS
            assert "\x00" not in content
            content.encode()


@pytest.mark.parametrize("request_", REQUESTS, ids=range(len(REQUESTS)))
async def test_a_failing_endpoint_gives_no_reply_to_any_request(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, request_: ResponderRequest
) -> None:
    monkeypatch.setattr(model_responder, "PAUSE_SECONDS", 0)
    async with listening() as endpoint:
        endpoint.responses = [plain(b"{}", "500 No")]
        async with connected(settings, endpoint) as responder:
            with pytest.raises(NoReply, match="500"):
                await responder.reply(request_)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("When are you open?", "The Alder is open Monday 09:00–18:00."),
        ("Where are you?", "The Alder is at 1 Main St, Troy."),
        ("Hello there", "Hey!"),
        ("How much is the rent?", "Prices at The Alder depend on the floor plan"),
        ("Do you take dogs?", "Thank you for asking!"),
    ],
)
async def test_the_script_replies_to_the_subject_of_a_message(message: str, expected: str) -> None:
    reply = await ScriptedResponder().reply(replace(REQUEST, message=message))
    assert reply.content.startswith(expected)


async def test_the_script_offers_a_tour_only_if_tours_are_enabled() -> None:
    request = replace(REQUEST, message="May I see it?", wants_tour=True)
    assert "show you The Alder" in (await ScriptedResponder().reply(request)).content
    disabled = replace(request, widget_settings={"tours_enabled": False})
    assert "show you" not in (await ScriptedResponder().reply(disabled)).content


@pytest.mark.parametrize("opened", [scripted, by_http])
async def test_a_responder_computes_many_replies_at_once(settings: Settings, opened: Any) -> None:
    async with opened(settings) as responder:
        replies = await asyncio.gather(*(responder.reply(REQUEST) for _ in range(20)))
    expected = await ScriptedResponder().reply(REQUEST)
    text = expected.content if opened is scripted else "We do, up to two."
    assert [reply.content for reply in replies] == [text] * 20


async def test_without_a_url_the_scripted_responder_is_used(settings: Settings) -> None:
    async with open_responder(settings) as responder:
        assert isinstance(responder, ScriptedResponder)


async def test_the_endpoint_gets_the_model_the_key_and_the_conversation(
    settings: Settings,
) -> None:
    async with listening() as endpoint:
        endpoint.reply_with("Yes")
        more = {"responder_model": "llama", "responder_api_key": SecretStr("sk-1")}
        async with connected(settings, endpoint, **more) as responder:
            history = (("user", "hi"), ("system", "Sam left"), ("assistant", "Hey!"))
            assert (await responder.reply(replace(REQUEST, history=history))).content == "Yes"
    body = endpoint.requests[0]
    assert endpoint.paths == ["/v1/chat/completions"]
    assert {key.lower(): value for key, value in endpoint.headers[0].items()}[
        "authorization"
    ] == "Bearer sk-1"
    assert body["model"] == "llama"
    assert "tools" not in body
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["system", "user", "assistant", "user"]
    instructions = body["messages"][0]["content"]
    for value in ("The Alder", "1 Main St, Troy", "Monday 09:00–18:00", "Hey!"):
        assert value in instructions


@pytest.mark.parametrize(
    ("failure", "attempts"),
    [
        (plain(b"{}", "500 No"), ATTEMPTS), (plain(b"{}", "429 Slow"), ATTEMPTS),
        (b"", ATTEMPTS), (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", ATTEMPTS),
        (b"\x00\xff nonsense\r\n\r\n", ATTEMPTS),
        (plain(b"{}", "401 No"), 1), (plain(b"{}", "404 No"), 1), (plain(b"", "204 Nothing"), 1),
        (plain(b"{}"), 1), (plain(b"[]"), 1), (plain(b"nul"), 1), (plain(b"\xff"), 1),
        (plain(b'{"choices": []}'), 1), (plain(b'{"choices": [null]}'), 1),
        (plain(b'{"choices": {"0": 1}}'), 1), (plain(b"[" * 100_000), 1),
        (plain(b'{"choices": [{"message": {"content": "\\ud800"}}]}'), 1),
        (completion(None), 1), (completion(""), 1), (completion(" \x00 "), 1), (completion(7), 1),
        (plain(b" " * (MAX_RESPONSE_BYTES + 1)), 1),
        (b"HTTP/1.1 302 Go\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n", 1),
    ],
)  # fmt: skip
async def test_a_temporary_failure_is_tried_again_and_every_failure_gives_no_reply(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, failure: bytes, attempts: int
) -> None:
    monkeypatch.setattr(model_responder, "PAUSE_SECONDS", 0)
    async with listening() as endpoint:
        endpoint.responses = [failure]
        async with connected(settings, endpoint) as responder:
            with pytest.raises(NoReply):
                await responder.reply(REQUEST)
    assert len(endpoint.requests) == attempts


async def test_a_second_attempt_can_succeed(settings: Settings) -> None:
    async with listening() as endpoint:
        endpoint.responses = [plain(b"{}", "503 Later"), completion("There we are")]
        async with connected(settings, endpoint) as responder:
            assert (await responder.reply(REQUEST)).content == "There we are"
    assert len(endpoint.requests) == 2


async def test_a_silent_and_an_unreachable_endpoint_give_no_reply(settings: Settings) -> None:
    async with listening() as endpoint:
        endpoint.silent = True
        async with connected(settings, endpoint, responder_timeout_seconds=0.1) as responder:
            with pytest.raises(NoReply, match=r"within 0\.1 s"):
                await responder.reply(REQUEST)
        nowhere = "http://127.0.0.1:9/v1"
        async with connected(settings, endpoint, responder_url=nowhere) as responder:
            with pytest.raises(NoReply, match="cannot be reached"):
                await responder.reply(REQUEST)


async def test_a_long_reply_is_shortened(settings: Settings) -> None:
    async with listening() as endpoint:
        endpoint.reply_with("word " * 10_000)
        async with connected(settings, endpoint) as responder:
            content = (await responder.reply(REQUEST)).content
    assert len(content) <= MAX_REPLY_CHARACTERS
    assert content.endswith("word…")


def test_a_prompt_has_a_limited_size_and_the_newest_messages() -> None:
    history = tuple(("user" if n % 2 else "assistant", f"{n} " + "z" * 900) for n in range(200))
    messages = build_messages(replace(REQUEST, message="q" * 20_000, history=history))
    assert len(messages) <= 2 + MAX_MESSAGES
    assert sum(len(message["content"]) for message in messages[1:-1]) <= MAX_CHARACTERS
    assert messages[-2]["content"].startswith("199 ")
    assert len(messages[-1]["content"]) == MAX_MESSAGE_CHARACTERS


def test_a_setting_is_one_line_of_the_prompt() -> None:
    greeting = "Hi\n\nYou may book tours now." * 99
    request = replace(REQUEST, widget_settings={"greeting_message": greeting})
    lines = build_messages(request)[0]["content"].split("\n")
    assert sum("You may book tours now" in line for line in lines) == 1
    assert all(len(line) < 1_000 for line in lines)
