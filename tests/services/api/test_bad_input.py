"""Whatever a client sends, it is answered with less than 500, and errors are problem documents."""

import asyncio
import random
from datetime import time, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx2
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.deciders.local_time import When
from services.deciders.slot_times import slot_of
from tests.services.api.conftest import NEXT_MONTH, Site, furnish
from tests.services.api.flows import enrolled, written

NASTY: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 1e308, 2**63, 10**30, "", " ", "\x00", "a\x00b", "💥", "\u202e",
    "'; --",
    "x" * 400, "x" * 30_000, [], {}, [[]], [None], {"a": {"b": {}}}, "null", "NaN", "0",
    "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "9999-12-31", "0000-00-00", "2027-02-30", "24:00", "14:00:00+02:00", "2027-06-01T10:00:00Z",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
    "test@test", "a@b", "a@" + "b" * 300 + ".com", "٠١٢٣", "+999999999999999", "🏠@x.com",
    "true", "email_opened", "completed", {"\x00": 1}, {"a": "\x00"}, [{"role": "user"}],
    {"a": 10**30, "b": [1e308]},
    [{"role": "user", "content": {}}], [{"role": 1, "content": "x"}],
)  # fmt: skip
RAW: tuple[bytes, ...] = (
    b"", b"{", b"nul", b"\xff\xfe", b'"\xed\xa0\x80"', b'{"message": "\\ud800"}', b'{"a": NaN}',
    b"[" * 5_000, b'{"a":' * 2_000 + b"1" + b"}" * 2_000, b"\x00", b"[]", b"1", b'"x"', b"null",
    b'{"message": "\\u0000"}', bytes(range(256)), b'{"message": 1e999}',
    b'{"a": ' + b"9" * 5_000 + b"}",
    *(b'{"a":' * deep + b"1" + b"}" * deep for deep in (253, 300, 1_000)),
    b'{"leadId": "\\udfff"}', b"<xml/>", b'{"message": "x", "message": 3}',
    b'{"eventType":"email_opened","metadata":{"x":"\\ud800"}}',
)  # fmt: skip
FIELDS = {
    ("POST", "/api/lumaleasing/chat"): (
        "messages", "message", "sessionId", "conversationId", "messageId", "leadInfo",
    ),
    ("POST", "/api/lumaleasing/lead"): (
        "sessionId", "conversationId", "firstName", "email", "phone", "moveInDate",
        "bedroomPreference", "notes", "leadInfo",
    ),
    ("POST", "/api/lumaleasing/tours"): (
        "slotId", "tourDate", "tourTime", "fold", "tourType", "specialRequests", "sessionId",
        "conversationId", "firstName", "email", "phone", "leadInfo",
    ),
    ("POST", "/api/lumaleasing/tours/hold"): ("slotId", "sessionId"),
    ("POST", "/api/leads"): (
        "propertyId", "firstName", "lastName", "email", "phone", "source", "moveInDate",
        "bedrooms", "notes",
    ),
    ("PATCH", "/api/leads"): (
        "leadId", "status", "firstName", "lastName", "email", "phone", "source", "moveInDate",
        "bedrooms", "notes",
    ),
    ("POST", "/api/leads/{lead}/activities"): ("type", "description", "metadata"),
    ("POST", "/api/leads/{lead}/tours"): (
        "tourDate", "tourTime", "tourType", "notes", "sendConfirmation", "assignedAgentId", "fold",
    ),
    ("PATCH", "/api/leads/{lead}/tours"): (
        "tourId", "status", "tourDate", "tourTime", "tourType", "notes", "assignedAgentId",
        "sendNotification",
    ),
    ("PATCH", "/api/leads/{lead}/workflow"): ("action", "runId", "reason"),
    ("POST", "/api/leads/{lead}/send-message"): (
        "channel", "message", "templateSlug", "subject",
    ),
    ("POST", "/api/workflows/definitions"): (
        "propertyId", "name", "description", "triggerOn", "steps", "exitConditions",
    ),
    ("POST", "/api/workflows/templates"): (
        "propertyId", "slug", "name", "channel", "subject", "body", "isActive",
    ),
    ("POST", "/api/workflows/seed-defaults"): ("propertyId",),
    ("POST", "/api/leads/{lead}/merge"): ("intoLeadId", "reason"),
    ("POST", "/api/leads/{lead}/unmerge"): ("reason",),
    ("POST", "/api/leadpulse/events"): ("leadId", "eventType", "metadata"),
    ("POST", "/api/leadpulse/score"): ("leadId", "leadIds", "propertyId"),
    ("PUT", "/api/lumaleasing/admin/config"): ("propertyId", "config"),
    ("POST", "/api/lumaleasing/admin/regenerate-key"): ("propertyId", "overlapHours"),
}  # fmt: skip
READS = (
    (
        "/api/leads",
        (
            "propertyId",
            "status",
            "source",
            "search",
            "sortBy",
            "sortOrder",
            "page",
            "limit",
        ),
    ),
    ("/api/leadpulse/insights", ("propertyId", "days")),
    ("/api/lumaleasing/chat", ("sessionId", "after")),
    ("/api/lumaleasing/tours", ("startDate", "endDate", "after_token")),
    ("/api/leads/{lead}/tours", ("x",)),
    ("/api/leads/{lead}/activities", ("after_token",)),
    ("/api/leads/{lead}/timeline", ("cursor", "limit", "after_token")),
    ("/api/leads/{lead}/workflow", ("after_token",)),
    ("/api/workflows/definitions", ("propertyId",)),
    ("/api/workflows/templates", ("propertyId",)),
    ("/api/leadpulse/events", ("leadId", "limit")),
    ("/api/leadpulse/score", ("leadId",)),
    ("/api/lumaleasing/config", ("after_token",)),
    ("/api/lumaleasing/admin/config", ("propertyId",)),
)


def check(answer: httpx2.Response, asked: object = None) -> None:
    assert answer.status_code < 500, (asked, answer.text)
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json", asked
        body = answer.json()
        assert body["status"] == answer.status_code
        assert body["code"]
        assert body["error"]


def headers_of(site: Site, path: str) -> dict[str, str]:
    if "/admin/" in path:
        return site.console(site.admin)
    return site.widget() if "lumaleasing" in path else site.console()


async def good_bodies(site: Site, lead: object, tour: object) -> dict[tuple[str, str], Any]:
    """One good request for every write."""
    first, second, third = (NEXT_MONTH + timedelta(days=later) for later in (1, 2, 3))
    slot = slot_of(site.property_id, When(third, time(10), "America/New_York"))
    await enrolled(site, UUID(str(lead)), (await written(site))["id"])
    return {
        ("POST", "/api/lumaleasing/chat"): {"message": "hello"},
        ("POST", "/api/lumaleasing/lead"): {"email": "ada@example.com"},
        ("POST", "/api/lumaleasing/tours"): {
            "tourDate": second.isoformat(),
            "tourTime": "10:00",
            "email": "ada@example.com",
        },
        ("POST", "/api/lumaleasing/tours/hold"): {"slotId": str(slot.id)},
        ("POST", "/api/leads"): {"propertyId": str(site.property_id), "firstName": "Ada"},
        ("PATCH", "/api/leads"): {"leadId": str(lead), "notes": "called"},
        ("POST", "/api/leads/{lead}/activities"): {"type": "note", "description": "called"},
        ("POST", "/api/leads/{lead}/tours"): {"tourDate": first.isoformat(), "tourTime": "10:00"},
        ("PATCH", "/api/leads/{lead}/tours"): {"tourId": tour},
        ("PATCH", "/api/leads/{lead}/workflow"): {"action": "pause"},
        ("POST", "/api/leads/{lead}/send-message"): {"channel": "email", "message": "Hi"},
        ("POST", "/api/workflows/definitions"): {
            "propertyId": str(site.property_id),
            "name": "x",
            "triggerOn": "lead_created",
            "steps": [{"id": "x", "delayHours": 1, "action": "wait"}],
        },
        ("POST", "/api/workflows/templates"): {
            "propertyId": str(site.property_id),
            "slug": "x",
            "name": "x",
            "channel": "sms",
            "body": "Hi",
        },
        ("POST", "/api/workflows/seed-defaults"): {"propertyId": str(site.property_id)},
        ("POST", "/api/leads/{lead}/merge"): {"intoLeadId": str(await site.lead())},
        ("POST", "/api/leads/{lead}/unmerge"): {},
        ("POST", "/api/leadpulse/events"): {"leadId": str(lead), "eventType": "email_opened"},
        ("POST", "/api/leadpulse/score"): {"leadId": str(lead)},
        ("PUT", "/api/lumaleasing/admin/config"): {
            "propertyId": str(site.property_id), "config": {"widgetName": "Luma"},
        },
        ("POST", "/api/lumaleasing/admin/regenerate-key"): {"propertyId": str(site.property_id)},
    }  # fmt: skip


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.soak)])
async def test_every_field_takes_every_nasty_value(site: Site, every: int) -> None:
    """Each field some of them, and each of them some fields; all of both in the soak."""
    lead = await site.lead()
    tour = (await site.tour(lead))["id"]
    await site.project()
    good = await good_bodies(site, lead, tour)
    count = 0
    for (method, route), fields in FIELDS.items():
        path = route.format(lead=lead)
        for field in fields:
            values = NASTY[count % every :: every]
            answers = await asyncio.gather(
                *(
                    site.client.request(
                        method, path, json={**good[method, route], field: value},
                        headers=headers_of(site, path),
                    )
                    for value in values
                )
            )  # fmt: skip
            for value, answer in zip(values, answers, strict=True):
                check(answer, (method, route, field, value))
            count += 1
    assert count == sum(map(len, FIELDS.values()))
    await site.project()


async def test_every_body_that_is_no_body(site: Site) -> None:
    lead = await site.lead()
    for method, route in FIELDS:
        path = route.format(lead=lead)
        for kind in ("application/json", "text/plain", "application/octet-stream", "", "a/b/c;;"):
            for raw in RAW if kind == "application/json" else RAW[:3]:
                answer = await site.client.request(
                    method, path, content=raw,
                    headers={**headers_of(site, path), "Content-Type": kind},
                )  # fmt: skip
                check(answer, (method, route, kind, raw[:40]))
                absent = not kind and not raw and "unmerge" in route
                if kind != "application/json" and not absent:
                    assert answer.status_code == 415


async def test_a_body_that_is_too_large_is_413(site: Site) -> None:
    large = orjson.dumps({"message": "x" * (2 * 1024 * 1024)})

    async def chunks() -> Any:
        for _ in range(40):
            yield b"x" * 65_536

    for content in (large, chunks()):
        answer = await site.client.post(
            "/api/lumaleasing/chat", content=content,
            headers={**site.widget(), "Content-Type": "application/json"},
        )  # fmt: skip
        check(answer)
        assert answer.status_code == 413


async def test_queries_paths_and_headers_take_every_nasty_value(site: Site) -> None:
    lead = await site.lead()
    await site.project()
    texts = [value for value in NASTY if isinstance(value, str) and len(value) < 5_000]
    texts += ["%00", "%ff", "../..", "\ud83d".encode("utf-16", "surrogatepass").hex()]
    for route, fields in READS:
        for text in texts:
            for field in fields:
                path = route.format(lead=lead)
                query = {"propertyId": str(site.property_id), field: text}
                answer = await site.client.get(path, params=query, headers=headers_of(site, path))
                check(answer, (route, field, text))
            path = route.format(lead=quote(text, safe=""))
            check(await site.client.get(path, headers=headers_of(site, path)), (route, text))
    plain = [(key.encode(), value.encode()) for key, value in site.widget().items()]
    for name in (
        "X-Visitor-ID", "Idempotency-Key", "X-CRM-Token", "Authorization", "X-API-Key", "Origin",
        "User-Agent", "Referer", "X-Session-Token", "X-Forwarded-For",
    ):  # fmt: skip
        for raw in (b"", b"\xff", b"x" * 5_000, b"\x01", b"a\x00b", "é".encode(), b"Bearer \xff"):
            answer = await site.client.post(
                "/api/lumaleasing/chat", json={"message": "hello"},
                headers=[*plain, (name.encode(), raw)],
            )  # fmt: skip
            check(answer, (name, raw))


async def test_what_is_not_there_is_a_problem_and_405_says_what_is_allowed(site: Site) -> None:
    for path in ("/", "/api", "/api/leads/x", "/api/lumaleasing/chat/", "/api//leads", "/%00"):
        answer = await site.client.get(path)
        check(answer, path)
        assert answer.status_code == 404, path
    answer = await site.client.delete("/api/lumaleasing/chat")
    check(answer)
    assert answer.status_code == 405
    assert {"GET", "POST"} & set(answer.headers["Allow"].split(", "))


async def test_the_health_routes_answer(site: Site) -> None:
    assert (await site.client.get("/healthz")).status_code == 200
    assert (await site.client.get("/readyz")).json()["status"] == "ready"
    assert "crm_events_appended_total" in (await site.client.get("/metrics")).text


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from(NASTY),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner,
                                                               max_size=3),
    max_leaves=8,
)  # fmt: skip


async def test_thousands_of_random_requests(site: Site) -> None:
    lead = await site.lead()
    tour = (await site.tour(lead))["id"]
    await site.project()
    good = await good_bodies(site, lead, tour)
    site.key = await furnish(site.world)
    routes = list(FIELDS)
    cases: list[tuple[tuple[str, str], Any]] = []

    @settings(
        max_examples=1_000,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.sampled_from(routes), st.data())
    def collect(route: tuple[str, str], data: st.DataObject) -> None:
        chosen = data.draw(st.dictionaries(st.sampled_from(FIELDS[route]), anything, max_size=4))
        cases.append((route, chosen))

    collect()
    random.Random(7).shuffle(cases)
    gate = asyncio.Semaphore(8)

    async def send(route: tuple[str, str], chosen: Any, whole: bool) -> None:
        method, path = route[0], route[1].format(lead=lead)
        try:
            content = orjson.dumps({**(good[route] if whole else {}), **chosen})
        except TypeError:
            return
        async with gate:
            answer = await site.client.request(
                method, path, content=content,
                headers={**headers_of(site, path), "Content-Type": "application/json"},
            )  # fmt: skip
        check(answer, (route, chosen))

    await asyncio.gather(*(send(route, chosen, whole) for route, chosen in cases
                           for whole in (True, False)))  # fmt: skip
    await site.project()
