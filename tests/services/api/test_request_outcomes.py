"""Outcomes of requests: a refused one appends nothing, and the log matches the accepted ones."""

import random
from collections import Counter
from typing import Any
from uuid import uuid4

import httpx2
import orjson
import pytest

from events.log.token import Token
from tests.services.api.consistency_tokens import make_token
from tests.services.api.site import CHAT, Site
from tests.services.api.unusual_input import (
    UNUSUAL_BODIES,
    UNUSUAL_VALUES,
    WRITE_FIELDS,
    check_handled,
    headers_for,
    make_valid_bodies,
)

EVENTS, LEADS = "/api/leadpulse/events", "/api/leads"
BAD_REQUESTS: list[tuple[str, str, bytes, int, str]] = [
    ("malformed JSON", EVENTS, b'{"leadId":', 400, "malformed_json"),
    ("not an object", EVENTS, b"[1]", 400, "invalid"),
    ("a binary body", EVENTS, bytes(range(256)), 400, "malformed_json"),
    ("a surrogate in bytes", CHAT, b'{"message": "\xed\xa0\x80"}', 400, "malformed_json"),
    ("a lone surrogate", CHAT, b'{"message": "\\ud800"}', 400, "malformed_json"),
    ("U+0000", CHAT, b'{"message": "a\\u0000b"}', 400, "invalid"),
    ("an unknown type", EVENTS, b'{"leadId": "LEAD", "eventType": "levitated"}', 400,
     "unknown_event_type"),
    ("a derived type", EVENTS, b'{"leadId": "LEAD", "eventType": "tour_completed"}', 400,
     "derived_event_type"),
    ("an unknown lead", EVENTS, b'{"leadId": "NONE", "eventType": "email_opened"}', 404,
     "not_found"),
    ("an unknown property", LEADS, b'{"propertyId": "NONE", "firstName": "A"}', 404, "not_found"),
    ("an oversized body", CHAT, b'{"message": "' + b"x" * 1_100_000 + b'"}', 413, "body_too_large"),
    ("an oversized event", EVENTS, b'{"leadId": "LEAD", "eventType": "email_opened", "metadata": '
     b'{"a": "' + b"x" * 400_000 + b'"}}', 400, "limit_exceeded"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "path", "template", "status", "code"), BAD_REQUESTS, ids=[k[0] for k in BAD_REQUESTS]
)
async def test_each_kind_of_bad_input_has_its_error_code_and_appends_nothing(
    site: Site, kind: str, path: str, template: bytes, status: int, code: str
) -> None:
    lead = await site.create_lead()
    await site.project()
    before = await site.read_event_types()
    content = template.replace(b"LEAD", str(lead).encode()).replace(b"NONE", str(uuid4()).encode())
    response = await _post(site, path, content)
    check_handled(response, kind)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert await site.read_event_types() == before


async def test_a_token_of_another_log_generation_or_a_malformed_one_is_refused(site: Site) -> None:
    lead = await site.create_lead()
    for token, code in (
        (await make_token(site, Token(99, 1, uuid4())), "token_of_another_generation"),
        ("yesterday", "malformed_token"),
    ):
        response = await site.client.get(
            EVENTS,
            params={"leadId": str(lead)},
            headers=site.console_headers(more={"X-CRM-Token": token}),
        )
        check_handled(response, token)
        assert (response.status_code, response.json()["code"]) == (400, code)


@pytest.mark.parametrize("request_count", [1_200, pytest.param(10_000, marks=pytest.mark.soak)])
async def test_only_accepted_requests_append_events(site: Site, request_count: int) -> None:
    """A request that ends with an error has appended nothing, even if it failed in the middle."""
    lead, merged = await site.create_lead(), await site.create_lead()
    tour = (await site.book_tour(lead))["id"]
    await site.project()
    valid_bodies = await make_valid_bodies(site, lead, tour)
    chance = random.Random(7)
    outcomes: Counter[tuple[str, bool]] = Counter()
    appended: Counter[str] = Counter()
    before = await site.read_event_types()
    for _ in range(request_count):
        method, route = chance.choice(list(WRITE_FIELDS))
        path = route.format(lead=merged if "merge" in route else lead)
        response = await site.client.request(
            method, path, content=_make_body(chance, valid_bodies[method, route], route),
            headers={**headers_for(site, route), "Content-Type": "application/json"},
        )  # fmt: skip
        check_handled(response, route)
        after = await site.read_event_types()
        accepted = response.status_code < 400
        outcomes[route, accepted] += 1
        assert accepted or after == before, (route, response.text)
        appended.update(after[len(before) :])
        before = after
    assert sum(outcomes.values()) == request_count
    assert appended["engagement.recorded"] == outcomes[EVENTS, True] > 0
    assert (
        min(outcomes[route, accepted] for _, route in WRITE_FIELDS for accepted in (True, False))
        > 0
    )
    await site.project()


def _make_body(chance: random.Random, valid_body: dict[str, Any], route: str) -> bytes:
    """Return a valid body, one with up to two unusual fields, or one that is not an object."""
    if chance.random() < 0.1:
        return chance.choice(UNUSUAL_BODIES)
    body = dict(valid_body)
    fields = [name for (_, path), names in WRITE_FIELDS.items() if path == route for name in names]
    for _ in range(chance.randrange(3)):
        body[chance.choice(fields)] = chance.choice(UNUSUAL_VALUES)
    try:
        return orjson.dumps(body)
    except TypeError:
        return b"{"


async def _post(site: Site, path: str, content: bytes) -> httpx2.Response:
    return await site.client.post(
        path, content=content,
        headers={**headers_for(site, path), "Content-Type": "application/json"},
    )  # fmt: skip
