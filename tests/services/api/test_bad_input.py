"""Unusual input is never a server error, and every refusal is a problem document."""

import asyncio
import random
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.services.api.site import CHAT, Site, create_widget
from tests.services.api.unusual_input import (
    READ_PARAMETERS,
    UNUSUAL_BODIES,
    UNUSUAL_VALUES,
    WRITE_FIELDS,
    check_handled,
    headers_for,
    make_valid_bodies,
)


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.soak)])
async def test_every_field_of_a_write_handles_unusual_values(site: Site, step: int) -> None:
    """Each field gets every `step`-th value, starting with another one; the soak run uses all."""
    lead = await site.create_lead()
    tour = (await site.book_tour(lead))["id"]
    await site.project()
    valid_bodies = await make_valid_bodies(site, lead, tour)
    count = 0
    for (method, route), fields in WRITE_FIELDS.items():
        path = route.format(lead=lead)
        for field in fields:
            values = UNUSUAL_VALUES[count % step :: step]
            responses = await asyncio.gather(
                *(
                    site.client.request(
                        method, path, json={**valid_bodies[method, route], field: value},
                        headers=headers_for(site, path),
                    )
                    for value in values
                )
            )  # fmt: skip
            for value, response in zip(values, responses, strict=True):
                check_handled(response, (method, route, field, value))
            count += 1
    assert count == sum(map(len, WRITE_FIELDS.values()))
    await site.project()


async def test_an_unusual_body_or_content_type_is_handled(site: Site) -> None:
    lead = await site.create_lead()
    for method, route in WRITE_FIELDS:
        path = route.format(lead=lead)
        for content_type in (
            "application/json",
            "text/plain",
            "application/octet-stream",
            "",
            "a/b/c;;",
        ):
            for body in (
                UNUSUAL_BODIES if content_type == "application/json" else UNUSUAL_BODIES[:3]
            ):
                response = await site.client.request(
                    method, path, content=body,
                    headers={**headers_for(site, path), "Content-Type": content_type},
                )  # fmt: skip
                check_handled(response, (method, route, content_type, body[:40]))
                is_absent = not body and "unmerge" in route
                if content_type != "application/json" and not is_absent:
                    assert response.status_code == 415, (method, route, content_type)


async def test_a_body_that_is_too_large_is_413(site: Site) -> None:
    large = orjson.dumps({"message": "x" * (2 * 1024 * 1024)})

    async def chunks() -> Any:
        for _ in range(40):
            yield b"x" * 65_536

    for content in (large, chunks()):
        response = await site.client.post(
            CHAT, content=content,
            headers={**site.widget_headers(), "Content-Type": "application/json"},
        )  # fmt: skip
        check_handled(response)
        assert response.status_code == 413


async def test_queries_paths_and_headers_handle_unusual_values(site: Site) -> None:
    lead = await site.create_lead()
    await site.project()
    texts = [value for value in UNUSUAL_VALUES if isinstance(value, str) and len(value) < 5_000]
    texts += ["%00", "%ff", "../..", "\ud83d".encode("utf-16", "surrogatepass").hex()]
    for route, fields in READ_PARAMETERS:
        for text in texts:
            for field in fields:
                path = route.format(lead=lead)
                query = {"propertyId": str(site.property_id), field: text}
                response = await site.client.get(
                    path, params=query, headers=headers_for(site, path)
                )
                check_handled(response, (route, field, text))
            path = route.format(lead=quote(text, safe=""))
            check_handled(
                await site.client.get(path, headers=headers_for(site, path)), (route, text)
            )
    widget_headers = [
        (key.encode(), value.encode()) for key, value in site.widget_headers().items()
    ]
    for name in (
        "X-Visitor-ID", "Idempotency-Key", "X-CRM-Token", "Authorization", "X-API-Key", "Origin",
        "User-Agent", "Referer", "X-Session-Token", "X-Forwarded-For",
    ):  # fmt: skip
        for raw in (b"", b"\xff", b"x" * 5_000, b"\x01", b"a\x00b", "é".encode(), b"Bearer \xff"):
            response = await site.client.post(
                CHAT, json={"message": "hello"},
                headers=[*widget_headers, (name.encode(), raw)],
            )  # fmt: skip
            check_handled(response, (name, raw))


async def test_an_unknown_path_is_404_and_a_405_names_the_allowed_methods(site: Site) -> None:
    for path in ("/", "/api", "/api/nothing/x", "/api/lumaleasing/chat/", "/api//leads", "/%00"):
        response = await site.client.get(path)
        check_handled(response, path)
        assert (response.status_code, response.json()["code"]) == (404, "not_found"), path
    response = await site.client.delete(CHAT)
    check_handled(response)
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert response.headers["Allow"] == "POST"


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from(UNUSUAL_VALUES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner,
                                                                max_size=3),
    max_leaves=8,
)  # fmt: skip


async def test_random_bodies_are_handled(site: Site) -> None:
    lead = await site.create_lead()
    tour = (await site.book_tour(lead))["id"]
    await site.project()
    valid_bodies = await make_valid_bodies(site, lead, tour)
    site.key = await create_widget(site.world)
    routes = list(WRITE_FIELDS)
    cases: list[tuple[tuple[str, str], Any]] = []

    @settings(
        max_examples=1_000,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.sampled_from(routes), st.data())
    def collect_case(route: tuple[str, str], data: st.DataObject) -> None:
        fields = data.draw(
            st.dictionaries(st.sampled_from(WRITE_FIELDS[route]), any_json, max_size=4)
        )
        cases.append((route, fields))

    collect_case()
    random.Random(7).shuffle(cases)
    semaphore = asyncio.Semaphore(8)

    async def send(route: tuple[str, str], fields: Any, is_complete: bool) -> None:
        method, path = route[0], route[1].format(lead=lead)
        try:
            content = orjson.dumps({**(valid_bodies[route] if is_complete else {}), **fields})
        except TypeError:
            return
        async with semaphore:
            response = await site.client.request(
                method, path, content=content,
                headers={**headers_for(site, path), "Content-Type": "application/json"},
            )  # fmt: skip
        check_handled(response, (route, fields))

    await asyncio.gather(*(send(route, fields, is_complete) for route, fields in cases
                           for is_complete in (True, False)))  # fmt: skip
    await site.project()
