"""Attacks on the edges of the API: preflights, huge JSON objects, missing headers."""

from typing import Any

import httpx2
import orjson
import pytest

from services.api.request_body import MAX_BODY_KEYS
from tests.services.api.site import CHAT, ORIGIN, WIDGET_CONFIG, Site

PREFLIGHT = {"Access-Control-Request-Method": "POST"}


async def test_a_preflight_does_not_tell_which_origins_are_customers(
    site_in_process: Site,
) -> None:
    """The browser refuses the answer of the request that follows, not that of the preflight."""
    client = site_in_process.client
    answers = []
    for origin in (ORIGIN, "https://nobody.example.com", "null", "https://x\u00e9".encode()):
        headers = httpx2.Headers({**PREFLIGHT, "Origin": origin})  # type: ignore[arg-type]
        response = await client.options(CHAT, headers=headers)
        answers.append((response.status_code, response.headers.multi_items(), response.content))
    assert answers.count(answers[0]) == len(answers)
    assert answers[0][0] == 204
    refused = await client.get(
        WIDGET_CONFIG, headers=site_in_process.widget_headers(Origin="https://nobody.example.com")
    )
    assert refused.status_code == 403
    assert "Access-Control-Allow-Origin" not in refused.headers


async def test_every_answer_forbids_caching_and_sniffing(site_in_process: Site) -> None:
    client, widget = site_in_process.client, site_in_process.widget_headers()
    requests: list[tuple[str, str, int, dict[str, Any]]] = [
        ("GET", WIDGET_CONFIG, 200, {"headers": widget}),
        ("GET", WIDGET_CONFIG, 404, {"headers": {"X-API-Key": "none"}}),
        ("POST", CHAT, 413, {"headers": widget, "content": b"x" * 1_048_577}),
        ("POST", CHAT, 415, {"headers": widget, "content": b"x"}),
        ("OPTIONS", CHAT, 204, {"headers": {**PREFLIGHT, "Origin": ORIGIN}}),
        ("DELETE", CHAT, 405, {}),
        ("GET", "/nothing", 404, {}),
        ("GET", "/healthz", 200, {}),
        ("GET", "/docs", 200, {}),
        ("GET", "/api/openapi.json", 200, {}),
        ("GET", "/api/leads", 401, {}),
    ]
    for method, path, status, more in requests:
        response = await client.request(method, path, **more)
        assert response.status_code == status, (method, path)
        assert response.headers.get_list("Cache-Control") == ["no-store"], (method, path)
        assert response.headers.get_list("X-Content-Type-Options") == ["nosniff"], (method, path)


def _flat(keys: int) -> Any:
    return {"message": "hello", **{f"k{number}": 0 for number in range(keys - 1)}}


def _nested(keys: int) -> Any:
    return {"message": "hello", "more": [{"k": 0} for _ in range(keys - 2)]}


@pytest.mark.parametrize("make_body", [_flat, _nested])
@pytest.mark.parametrize(("keys", "status"), [(MAX_BODY_KEYS, 200), (MAX_BODY_KEYS + 1, 400)])
async def test_the_number_of_keys_of_a_body_is_limited(
    site_in_process: Site, make_body: Any, keys: int, status: int
) -> None:
    response = await site_in_process.client.post(
        CHAT, content=orjson.dumps(make_body(keys)),
        headers={**site_in_process.widget_headers(), "Content-Type": "application/json"},
    )  # fmt: skip
    assert response.status_code == status, response.text
    if status == 400:
        assert response.json()["code"] == "too_many_keys"
