"""The OpenAPI document is correct: its examples work, and every response is documented."""

import asyncio
import json
from typing import Any

import asyncpg
import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from schemathesis import GenerationMode

from services.api.auth.console_users import ROLES
from services.api.middleware import is_widget_path
from services.api.session_listeners import MAX_STREAMS_PER_SESSION
from services.runtime.settings import Settings
from tests.services.api import openapi_check
from tests.services.api.example_requests import (
    create_examples,
    credentials,
    in_order,
    replace_examples,
    send_example,
)
from tests.services.api.openapi_check import Operation, openapi_document, operations, validator
from tests.services.api.site import Site, open_site

READS_BY_POST = {"POST /api/leadpulse/score", "POST /api/lumaleasing/chat/stream-tickets"}
"""Operations that append no event."""
OPERATIONS_WITHOUT_BODY = {"POST /api/conversations/{conversation_id}/takeover"}


async def test_the_api_serves_its_document_as_openapi_3_1(site: Site) -> None:
    served = (await site.client.get("/api/openapi.json")).json()
    assert served == openapi_document()
    assert served["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(served).validate()


def test_every_write_documents_its_body_idempotency_key_and_token() -> None:
    for operation in operations():
        names = {parameter["name"] for parameter in operation.description["parameters"]}
        if (
            operation.method in ("POST", "PUT", "PATCH")
            and operation.name not in OPERATIONS_WITHOUT_BODY
        ):
            is_optional = operation.path.rpartition("/")[2] in (
                "activate", "deactivate", "test", "unmerge",
            )  # fmt: skip
            assert operation.description["requestBody"]["required"] is not is_optional, (
                operation.name
            )
            assert operation.example_bodies, operation.name
        if operation.method == "GET" or operation.name in READS_BY_POST:
            assert {"X-CRM-Token", "after_token"} <= names, operation.name
        else:
            assert "Idempotency-Key" in names, operation.name
            assert (
                "X-CRM-Token"
                in operation.description["responses"][str(operation.success_status)]["headers"]
            ), operation.name


def test_every_operation_documents_its_callers() -> None:
    widget: list[dict[str, list[str]]] = [{"widgetKey": []}, {"widgetKeyAsBearer": []}]
    for operation in operations():
        expected = widget if is_widget_path(operation.path) else [{"consoleUser": operation.roles}]
        if operation.path.startswith("/api/events"):
            expected = [{"apiKey": []}]
        if operation.path == "/api/lumaleasing/chat/stream":
            expected = [*widget, {"streamTicket": []}]
        assert operation.description["security"] == expected, operation.name
        assert set(operation.roles) <= set(ROLES), operation.name
        assert "401" in operation.description["responses"], operation.name


def test_every_example_is_valid_for_its_schema() -> None:
    for operation in operations():
        contents = [response["content"] for response in operation.description["responses"].values()]
        if "requestBody" in operation.description:
            contents.append(operation.description["requestBody"]["content"])
        for content in contents:
            for media_type in content.values():
                assert media_type["examples"], operation.name
                for name, shown in media_type["examples"].items():
                    if name != "wrapped,-as-older-clients-send-it":
                        assert validator(media_type["schema"]).is_valid(shown["value"]), (
                            operation.name,
                            name,
                        )


async def test_every_example_of_a_request_succeeds(site_anywhere: Site) -> None:
    await _send_every_example(site_anywhere)


async def test_no_request_needs_two_connections_at_once(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    """With two, as many parallel requests as connections would wait for each other for ever."""
    one_connection = settings.model_copy(update={"pool_size": 1})
    async with open_site(one_connection, pool) as site:
        await _send_every_example(site)


async def _send_every_example(site: Site) -> None:
    ids = await create_examples(site)
    count = 0
    async for operation in in_order(site, operations()):
        for name, body in operation.example_bodies.items():
            response = await send_example(site, operation, body, ids, credentials(site, operation))
            assert response.status_code == operation.success_status, (
                operation.name,
                name,
                response.text,
            )
            if "apiKey" in response.text:
                site.key = response.json()["apiKey"]
            count += 1
    assert count == sum(len(operation.example_bodies) for operation in operations())


@pytest.mark.parametrize("count", [1, pytest.param(40, marks=pytest.mark.soak)])
async def test_every_response_to_generated_requests_is_documented(site: Site, count: int) -> None:
    """Send `count` valid and `count` invalid requests per operation, each from three callers."""
    ids = await create_examples(site)
    await site.project()
    # More streams of one session at a time are answered 503, as documented.
    semaphore = asyncio.Semaphore(MAX_STREAMS_PER_SESSION - 1)
    statuses: set[int] = set()

    async def send(operation: Operation, case: Any, credentials: dict[str, str]) -> None:
        async with semaphore:
            response = await site.client.request(
                operation.method, replace_examples(case.formatted_path, ids),
                params=_query(case.query, ids), content=_body(case, ids),
                headers=[*_headers(case, operation), *_encode(credentials)],
            )  # fmt: skip
        statuses.add(response.status_code)
        assert response.status_code < 500, (operation.name, case, response.text)

    schema = schemathesis.openapi.from_dict(openapi_document())
    requests = []
    for result in schema.get_all_operations():
        generated = result.ok()
        operation = next(
            operation for operation in operations() if operation.name == generated.label
        )
        for case in _generate_cases(generated, count):
            callers: tuple[dict[str, str], ...] = (
                credentials(site, operation),
                site.console_headers(site.viewer),
                {},
            )
            requests += [send(operation, case, credentials) for credentials in callers]
    assert len(requests) >= 3 * count * len(operations())
    await asyncio.gather(*requests)
    await site.project()
    # One generated case per operation rarely meets a conflict; 40 do.
    expected = {200, 400, 401, 403, 404} if count == 1 else {200, 400, 401, 403, 404, 409}
    assert expected <= statuses


@pytest.mark.parametrize(
    ("status", "change", "media_type"),
    [
        (418, {}, "application/problem+json"),
        (404, {"code": "sneezed"}, "application/problem+json"),
        (404, {}, "application/json"),
        (200, {"score": None, "isNew": True}, "application/json"),
        (200, {"more": 1}, "application/json"),
    ],
)
async def test_an_undocumented_response_fails_the_check(
    status: int, change: dict[str, Any], media_type: str
) -> None:
    operation = next(
        candidate for candidate in operations() if candidate.name == "GET /api/leadpulse/score"
    )
    documented = operation.description["responses"][str(404 if status > 200 else 200)]["content"]
    example_body = next(iter(next(iter(documented.values()))["examples"].values()))["value"]
    request = httpx2.Request("GET", "http://crm/api/leadpulse/score")

    def make_response(status: int, body: Any, media_type: str) -> httpx2.Response:
        return httpx2.Response(
            status, content=json.dumps(body), headers={"Content-Type": media_type}, request=request
        )

    await openapi_check.check_response(
        make_response(404 if status > 200 else 200, example_body, next(iter(documented)))
    )
    with pytest.raises(AssertionError):
        await openapi_check.check_response(
            make_response(status, {**example_body, **change}, media_type)
        )


def _generate_cases(generated: Any, count: int) -> list[Any]:
    """Return valid and invalid requests by the document's schemas, the same in every run."""
    cases: list[Any] = []
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @hypothesis_settings(
            max_examples=count, deadline=None, database=None, derandomize=True,
            suppress_health_check=[*HealthCheck],
        )  # fmt: skip
        @given(generated.as_strategy(generation_mode=mode))
        def collect_case(case: Any) -> None:
            cases.append(case)

        collect_case()
    return cases


def _query(query: Any, ids: dict[str, str]) -> dict[str, str]:
    texts = {
        str(name): value if isinstance(value, str) else json.dumps(value)
        for name, value in (query or {}).items()
    }
    return {name: replace_examples(text, ids) for name, text in texts.items()}


def _body(case: Any, ids: dict[str, str]) -> bytes | None:
    if case.media_type is None:
        return None
    if isinstance(case.body, bytes):
        return case.body
    try:
        return replace_examples(json.dumps(case.body), ids).encode()
    except TypeError:
        return b""


def _headers(case: Any, operation: Operation) -> list[tuple[bytes, bytes]]:
    """Return the generated headers that the document names, without generated credentials."""
    documented = {
        parameter["name"]
        for parameter in operation.description["parameters"]
        if parameter["in"] == "header"
    }
    headers = {
        name: str(value) for name, value in (case.headers or {}).items() if name in documented
    }
    if case.media_type is not None:
        headers["Content-Type"] = case.media_type
    return _encode(headers)


def _encode(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]
