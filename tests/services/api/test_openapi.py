"""The API's document is true: what it shows works, and nothing else is ever answered."""

import asyncio
import json
from datetime import date, time
from typing import Any

import asyncpg
import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from schemathesis import GenerationMode

from services.api.middleware import is_widget_path
from services.api.schemas import example
from services.deciders.local_time import When
from services.deciders.slot_times import slot_of
from services.runtime.settings import Settings
from tests.services.api import openapi_promises
from tests.services.api.conftest import Site, site_in_this_process
from tests.services.api.flows import STEPS, enrolled, template, written
from tests.services.api.openapi_promises import Operation, operations, promised, validator

BODILESS = {"POST /api/conversations/{conversation_id}/takeover"}


async def test_the_api_serves_its_document_and_it_is_openapi_3_1(site: Site) -> None:
    served = (await site.client.get("/api/openapi.json")).json()
    assert served == promised()
    assert served["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(served).validate()


def test_every_write_shows_its_body_its_key_and_its_token() -> None:
    for one in operations():
        names = {parameter["name"] for parameter in one.said["parameters"]}
        if one.method in ("POST", "PUT", "PATCH") and one.name not in BODILESS:
            optional = one.path.rpartition("/")[2] in ("activate", "deactivate", "unmerge")
            assert one.said["requestBody"]["required"] is not optional, one.name
            assert one.bodies, one.name
        if one.method == "GET" or one.name == "POST /api/leadpulse/score":
            assert {"X-CRM-Token", "after_token"} <= names, one.name
        else:
            assert "Idempotency-Key" in names, one.name
            assert "X-CRM-Token" in one.said["responses"][str(one.good)]["headers"], one.name


def test_every_operation_says_who_may_ask() -> None:
    widget: list[dict[str, list[str]]] = [{"widgetKey": []}, {"widgetKeyAsBearer": []}]
    for one in operations():
        wanted = widget if is_widget_path(one.path) else [{"person": []}]
        if one.path == "/api/lumaleasing/chat/stream":
            wanted = [*widget, {"widgetKeyInQuery": []}]
        assert one.said["security"] == wanted, one.name
        assert {"401", "403"} & set(one.said["responses"]), one.name


def test_every_example_has_the_shape_it_is_an_example_of() -> None:
    for one in operations():
        contents = [response["content"] for response in one.said["responses"].values()]
        if "requestBody" in one.said:
            contents.append(one.said["requestBody"]["content"])
        for content in contents:
            for shown in content.values():
                assert shown["examples"], one.name
                for name, said in shown["examples"].items():
                    if name != "wrapped,-as-older-clients-send-it":
                        assert validator(shown["schema"]).is_valid(said["value"]), (one.name, name)


async def test_every_example_of_a_request_gets_the_good_answer(site_anywhere: Site) -> None:
    await _ask_for_every_example(site_anywhere)


async def test_no_request_needs_two_connections_at_once(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    """As many such requests as there are connections would wait for one another."""
    narrow = settings.model_copy(update={"pool_size": 1})
    async with site_in_this_process(narrow, pool) as site:
        await _ask_for_every_example(site)


async def _ask_for_every_example(site: Site) -> None:
    stand_ins = await _furnish(site)
    count = 0
    for one in sorted(operations(), key=lambda one: one.method == "DELETE"):
        await site.project()
        for name, body in one.bodies.items():
            path, query = _place(one, stand_ins)
            sent = None if body is None else json.loads(_standing_in(json.dumps(body), stand_ins))
            answer = await site.client.request(
                one.method, path, params=query, json=sent, headers=_credentials(site, one)
            )
            assert answer.status_code == one.good, (one.name, name, answer.text)
            if "apiKey" in answer.text:
                site.key = answer.json()["apiKey"]
            count += 1
    assert count >= len(operations())


@pytest.mark.parametrize("count", [1, pytest.param(40, marks=pytest.mark.soak)])
async def test_no_answer_to_whatever_is_sent_is_undocumented(site: Site, count: int) -> None:
    """`count` requests an operation, and as many that break it, each by three callers."""
    stand_ins = await _furnish(site)
    await site.project()
    gate = asyncio.Semaphore(8)
    statuses: set[int] = set()

    async def send(one: Operation, case: Any, credentials: dict[str, str]) -> None:
        async with gate:
            answer = await site.client.request(
                one.method, _standing_in(case.formatted_path, stand_ins),
                params=_texts(case.query, stand_ins), content=_raw(case, stand_ins),
                headers=[*_headers(case, one), *_bytes(credentials)],
            )  # fmt: skip
        statuses.add(answer.status_code)
        assert answer.status_code < 500, (one.name, case, answer.text)

    schema = schemathesis.openapi.from_dict(promised())
    sent = []
    for found in schema.get_all_operations():
        generated = found.ok()
        one = next(one for one in operations() if one.name == generated.label)
        for case in _cases(generated, count):
            whose: tuple[dict[str, str], ...] = (
                _credentials(site, one),
                site.console(site.viewer),
                {},
            )
            sent += [send(one, case, credentials) for credentials in whose]
    assert len(sent) >= 3 * count * len(operations())
    await asyncio.gather(*sent)
    await site.project()
    assert {200, 400, 401, 403, 404, 409} <= statuses


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (418, {}, "application/problem+json"),
        (404, {"code": "sneezed"}, "application/problem+json"),
        (404, {}, "application/json"),
        (200, {"score": None, "isNew": True}, "application/json"),
        (200, {"more": 1}, "application/json"),
    ],
)
async def test_an_answer_that_is_not_documented_is_noticed(
    status: int, said: dict[str, Any], kind: str
) -> None:
    operation = next(one for one in operations() if one.name == "GET /api/leadpulse/score")
    good = operation.said["responses"][str(404 if status > 200 else 200)]["content"]
    first = next(iter(next(iter(good.values()))["examples"].values()))["value"]
    request = httpx2.Request("GET", "http://crm/api/leadpulse/score")

    def answer(status: int, body: Any, kind: str) -> httpx2.Response:
        return httpx2.Response(
            status, content=json.dumps(body), headers={"Content-Type": kind}, request=request
        )

    await openapi_promises.check(answer(404 if status > 200 else 200, first, next(iter(good))))
    with pytest.raises(AssertionError):
        await openapi_promises.check(answer(status, {**first, **said}, kind))


async def _furnish(site: Site) -> dict[str, str]:
    """Make what the examples speak of; the id of an example → the id it has here."""
    lead = await site.lead(firstName="Ada", phone="+12125550123")
    tour = await site.tour(lead)
    await site.chat(
        "hello", example.VISITOR, sessionId=example.SESSION, conversationId=example.CONVERSATION
    )
    takeover = f"/api/conversations/{example.CONVERSATION}/takeover"
    assert (await site.client.post(takeover, headers=site.console())).is_success
    host_property, other = str(site.property_id), str(await site.lead())
    text = await template(site, example.SLUG)
    flow = await written(site, steps=[{**STEPS[0], "templateSlug": example.SLUG}])
    run = await enrolled(site, lead, flow["id"])
    day = date.fromisoformat(example.TOUR_DATE)
    slot, free = (
        slot_of(site.property_id, When(day, time(hour), "America/New_York")) for hour in (10, 12)
    )
    return {
        example.PROPERTY: host_property, example.LEAD: str(lead), example.TOUR: tour["id"],
        example.DEFINITION: flow["id"], example.TEMPLATE: text["id"], example.RUN: str(run),
        example.OTHER_LEAD: other,
        example.SLOT: str(slot.id), example.FREE_SLOT: str(free.id),
    }  # fmt: skip


def _credentials(site: Site, one: Operation) -> dict[str, str]:
    if not one.needs_person:
        return site.widget(example.VISITOR)
    return site.console(site.admin if "/admin/" in one.path else None)


def _place(one: Operation, stand_ins: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Path and query, from the examples of what is required."""
    path, query = one.path, {}
    for parameter in one.said["parameters"]:
        if parameter["required"]:
            value = _standing_in(parameter["schema"]["examples"][0], stand_ins)
            path = path.replace("{" + parameter["name"] + "}", value)
            if parameter["in"] == "query":
                query[parameter["name"]] = value
    return path, query


def _standing_in(text: str, stand_ins: dict[str, str]) -> str:
    for shown, there in stand_ins.items():
        text = text.replace(shown, there)
    return text


def _cases(generated: Any, count: int) -> list[Any]:
    """Requests by the document's schemas, and such as break them; the same in every run."""
    found: list[Any] = []
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @hypothesis_settings(
            max_examples=count, deadline=None, database=None, derandomize=True,
            suppress_health_check=[*HealthCheck],
        )  # fmt: skip
        @given(generated.as_strategy(generation_mode=mode))
        def collect(case: Any) -> None:
            found.append(case)

        collect()
    return found


def _texts(query: Any, stand_ins: dict[str, str]) -> dict[str, str]:
    said = {
        str(name): value if isinstance(value, str) else json.dumps(value)
        for name, value in (query or {}).items()
    }
    return {name: _standing_in(text, stand_ins) for name, text in said.items()}


def _raw(case: Any, stand_ins: dict[str, str]) -> bytes | None:
    if case.media_type is None:
        return None
    if isinstance(case.body, bytes):
        return case.body
    try:
        return _standing_in(json.dumps(case.body), stand_ins).encode()
    except TypeError:
        return b""


def _headers(case: Any, one: Operation) -> list[tuple[bytes, bytes]]:
    """Those of the document only: its credentials are put in place of the generated ones."""
    known = {each["name"] for each in one.said["parameters"] if each["in"] == "header"}
    said = {name: str(value) for name, value in (case.headers or {}).items() if name in known}
    if case.media_type is not None:
        said["Content-Type"] = case.media_type
    return _bytes(said)


def _bytes(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]
