"""Bad input over HTTP: each kind has its answer, what is refused leaves nothing, counts add up."""

import random
from collections import Counter
from typing import Any
from uuid import uuid4

import httpx2
import orjson
import pytest

from events.log.token import Token
from tests.services.api.conftest import Site
from tests.services.api.test_bad_input import (
    FIELDS,
    NASTY,
    RAW,
    check,
    good_bodies,
    headers_of,
)

EVENTS, LEADS, CHAT = "/api/leadpulse/events", "/api/leads", "/api/lumaleasing/chat"
KINDS: list[tuple[str, str, bytes, int, str]] = [
    ("malformed JSON", EVENTS, b'{"leadId":', 400, "malformed_json"),
    ("no object", EVENTS, b"[1]", 400, "invalid"),
    ("a binary body", EVENTS, bytes(range(256)), 400, "malformed_json"),
    ("a surrogate in bytes", CHAT, b'{"message": "\xed\xa0\x80"}', 400, "malformed_json"),
    ("a lone surrogate", CHAT, b'{"message": "\\ud800"}', 400, "malformed_json"),
    ("U+0000", CHAT, b'{"message": "a\\u0000b"}', 400, "invalid"),
    ("an unknown type", EVENTS, b'{"leadId": "LEAD", "eventType": "levitated"}', 400,
     "unknown_event_type"),
    ("a type of the core's", EVENTS, b'{"leadId": "LEAD", "eventType": "tour_completed"}', 400,
     "derived_event_type"),
    ("an unknown lead", EVENTS, b'{"leadId": "NONE", "eventType": "email_opened"}', 404,
     "not_found"),
    ("an unknown property", LEADS, b'{"propertyId": "NONE", "firstName": "A"}', 404, "not_found"),
    ("an oversized body", CHAT, b'{"message": "' + b"x" * 1_100_000 + b'"}', 413, "body_too_large"),
    ("an oversized event", EVENTS, b'{"leadId": "LEAD", "eventType": "email_opened", "metadata": '
     b'{"a": "' + b"x" * 400_000 + b'"}}', 400, "limit_exceeded"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "path", "raw", "status", "code"), KINDS, ids=[k[0] for k in KINDS]
)
async def test_each_kind_of_bad_input_has_its_answer_and_leaves_nothing(
    site: Site, kind: str, path: str, raw: bytes, status: int, code: str
) -> None:
    lead = await site.lead()
    await site.project()
    before = await site.log()
    content = raw.replace(b"LEAD", str(lead).encode()).replace(b"NONE", str(uuid4()).encode())
    answer = await _post(site, path, content)
    check(answer, kind)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await site.log() == before


async def test_a_token_of_another_life_and_one_that_is_none_are_refused(site: Site) -> None:
    lead = await site.lead()
    for token, code in (
        (str(Token(99, 1, uuid4())), "token_of_another_generation"),
        ("yesterday", "malformed_token"),
    ):
        answer = await site.client.get(
            EVENTS, params={"leadId": str(lead)}, headers=site.console(more={"X-CRM-Token": token})
        )
        check(answer, token)
        assert (answer.status_code, answer.json()["code"]) == (400, code)


@pytest.mark.parametrize("requests", [1_200, pytest.param(10_000, marks=pytest.mark.soak)])
async def test_every_request_has_one_outcome_and_the_log_holds_what_was_accepted(
    site: Site, requests: int
) -> None:
    """What is answered with an error has left nothing at all, also where it failed half way."""
    lead, merged = await site.lead(), await site.lead()
    tour = (await site.tour(lead))["id"]
    await site.project()
    good = await good_bodies(site, lead, tour)
    chance = random.Random(7)
    outcomes: Counter[tuple[str, bool]] = Counter()
    made: Counter[str] = Counter()
    before = await site.log()
    for _ in range(requests):
        method, route = chance.choice(list(FIELDS))
        path = route.format(lead=merged if "merge" in route else lead)
        answer = await site.client.request(
            method, path, content=_body(chance, good[method, route], route),
            headers={**headers_of(site, route), "Content-Type": "application/json"},
        )  # fmt: skip
        check(answer, route)
        after = await site.log()
        accepted = answer.status_code < 400
        outcomes[route, accepted] += 1
        assert accepted or after == before, (route, answer.text)
        made.update(after[len(before) :])
        before = after
    assert sum(outcomes.values()) == requests
    assert made["engagement.recorded"] == outcomes[EVENTS, True] > 0
    assert min(outcomes[route, accepted] for _, route in FIELDS for accepted in (True, False)) > 0
    await site.project()


def _body(chance: random.Random, good: dict[str, Any], route: str) -> bytes:
    """A right one, one of which some fields are nasty, or none at all."""
    if chance.random() < 0.1:
        return chance.choice(RAW)
    said = dict(good)
    fields = [name for (_, known), names in FIELDS.items() if known == route for name in names]
    for _ in range(chance.randrange(3)):
        said[chance.choice(fields)] = chance.choice(NASTY)
    try:
        return orjson.dumps(said)
    except TypeError:
        return b"{"


async def _post(site: Site, path: str, content: bytes) -> httpx2.Response:
    return await site.client.post(
        path, content=content,
        headers={**headers_of(site, path), "Content-Type": "application/json"},
    )  # fmt: skip
