"""Rate limits by address, visitor, key and contact, counted over all processes."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import asyncpg
import httpx2
import pytest
from limits import parse
from pydantic import ValidationError

from services.api.rate_limit import counters
from services.api.rate_limit.counters import Count, Counted, count_request
from services.runtime.settings import Settings
from tests.conftest import LIMITS, make_settings, until
from tests.services.api.site import (
    CHAT,
    ORIGIN,
    WIDGET_CONFIG,
    WIDGET_LEAD,
    EchoResponder,
    create_widget,
    open_api,
)
from tests.world import World, make_world

ApiOpener = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


@pytest.fixture
async def key(world: World) -> str:
    return await create_widget(world)


@pytest.fixture
def api(settings: Settings) -> ApiOpener:
    """Return a function that runs an API with other settings for requests from an address."""

    def open_with(
        address: str = "203.0.113.7", **more: Any
    ) -> AbstractAsyncContextManager[httpx2.AsyncClient]:
        return open_api(settings.model_copy(update=more), EchoResponder(), address=address)

    return open_with


async def read_config(
    client: httpx2.AsyncClient, key: str, visitor: str = "v_1", **headers: str
) -> httpx2.Response:
    all_headers = {"X-API-Key": key, "X-Visitor-ID": visitor, **headers}
    return await client.get(WIDGET_CONFIG, headers=all_headers)


async def post(client: httpx2.AsyncClient, key: str, path: str, body: Any) -> httpx2.Response:
    return await client.post(path, json=body, headers={"X-API-Key": key, "X-Visitor-ID": "v_1"})


async def statuses(*requests: Any) -> list[int]:
    return [(await request).status_code for request in requests]


async def test_a_request_above_the_limit_is_429_with_retry_after(api: ApiOpener, key: str) -> None:
    async with api(limit_address="2/hour") as client:
        assert await statuses(read_config(client, key), read_config(client, key)) == [200, 200]
        response = await read_config(client, key, Origin=ORIGIN)
        assert response.status_code == 429
        assert response.json()["code"] == "rate_limited"
        assert 0 < int(response.headers["Retry-After"]) <= 3_600
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "Retry-After" in response.headers["Access-Control-Expose-Headers"]


async def test_a_refused_request_appends_nothing(api: ApiOpener, key: str, world: World) -> None:
    async with api(limit_visitor="1/hour") as client:
        assert (await post(client, key, CHAT, {"message": "hi"})).status_code == 200
        events_before = await world.count("crm_events")
        assert (await post(client, key, CHAT, {"message": "hi"})).status_code == 429
        assert await world.count("crm_events") == events_before


async def test_a_visitor_is_counted_per_property(
    api: ApiOpener, key: str, pool: asyncpg.Pool
) -> None:
    other_key = await create_widget(await make_world(pool))
    async with api(limit_visitor="2/hour") as client:
        assert await statuses(
            *(read_config(client, key) for _ in range(3)),
            read_config(client, key, "v_2"),
            read_config(client, other_key),
        ) == [200, 200, 429, 200, 200]


async def test_a_key_is_counted_over_all_its_visitors(
    api: ApiOpener, key: str, pool: asyncpg.Pool
) -> None:
    other_key = await create_widget(await make_world(pool))
    async with api(limit_key="2/hour") as client:
        assert await statuses(
            read_config(client, key, "v_1"),
            read_config(client, key, "v_2"),
            read_config(client, key, "v_3"),
            read_config(client, other_key, "v_1"),
        ) == [200, 200, 429, 200]


@pytest.mark.parametrize(
    ("address", "same_network", "other_network"),
    [
        ("203.0.113.7", "203.0.113.250", "203.0.114.7"),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"),
        ("::ffff:203.0.113.7", "203.0.113.8", "203.0.112.7"),
    ],
)  # fmt: skip
async def test_an_address_is_counted_by_its_network(
    api: ApiOpener, key: str, address: str, same_network: str, other_network: str
) -> None:
    results = []
    for source in (address, same_network, other_network):
        async with api(source, limit_address="1/hour") as client:
            results += await statuses(read_config(client, key))
    assert results == [200, 429, 200]


async def test_an_address_is_counted_over_all_properties_and_wrong_keys(
    api: ApiOpener, key: str, pool: asyncpg.Pool
) -> None:
    other_key = await create_widget(await make_world(pool))
    async with api(limit_address="3/hour") as client:
        assert await statuses(
            read_config(client, key),
            read_config(client, other_key),
            read_config(client, "lk_guess"),
            read_config(client, "lk_guess"),
            read_config(client, key),
        ) == [200, 200, 404, 429, 429]


async def test_forwarded_addresses_count_only_from_trusted_proxies(
    api: ApiOpener, key: str
) -> None:
    forwarded = [{"X-Forwarded-For": f"198.51.{n}.1"} for n in range(3)]
    async with api("10.0.0.9", limit_address="1/hour") as client:
        requests = [read_config(client, key, **headers) for headers in forwarded]
        assert await statuses(*requests) == [200, 429, 429]
    more = {"limit_address": "1/hour", "trusted_proxies": "10.0.0.0/8, 192.0.2.1"}
    async with api("10.0.0.9", **more) as client:
        requests = [read_config(client, key, **headers) for headers in forwarded]
        assert await statuses(*requests) == [200, 200, 200]
        invented = {"X-Forwarded-For": "198.51.99.1, 198.51.0.77, 192.0.2.1"}
        assert await statuses(read_config(client, key, **invented)) == [429]


@pytest.mark.parametrize(("path", "wrap"), [(WIDGET_LEAD, False), (CHAT, True)])
async def test_a_contact_is_counted_in_its_normalized_form(
    api: ApiOpener, key: str, path: str, wrap: bool
) -> None:
    def body(contact: dict[str, str]) -> dict[str, Any]:
        return {"message": "hi", "leadInfo": contact} if wrap else contact

    async with api(limit_contact="1/hour") as client:
        assert await statuses(
            post(client, key, path, body({"email": "ada@example.com"})),
            post(client, key, path, body({"email": " ADA@example.COM"})),
            post(client, key, path, body({"email": "bea@example.com", "phone": "(212) 555-0100"})),
            post(client, key, path, body({"phone": "+1 212 555 0100"})),
            post(client, key, path, body({"email": "cleo@example.com"})),
        ) == [200, 429, 200, 429, 200]  # fmt: skip


async def test_requests_without_a_contact_are_not_counted_as_one(api: ApiOpener, key: str) -> None:
    async with api(limit_contact="1/hour") as client:
        requests = [post(client, key, CHAT, {"message": "hi", "leadInfo": {}}) for _ in range(3)]
        assert await statuses(*requests) == [200, 200, 200]


async def test_processes_share_their_counters(api: ApiOpener, key: str) -> None:
    async with api(limit_key="5/hour") as first, api(limit_key="5/hour") as second:
        responses = await asyncio.gather(
            *(read_config(client, key) for client in (first, second) * 10)
        )
        assert sorted(response.status_code for response in responses) == [200] * 5 + [429] * 15


async def test_requests_are_accepted_again_in_the_next_window(api: ApiOpener, key: str) -> None:
    async with api(limit_visitor="1/second") as client:

        async def is_second_refused() -> bool:
            """Return whether the second of two requests of one window is refused."""
            return (await statuses(read_config(client, key), read_config(client, key)))[1] == 429

        await until(is_second_refused)

        async def is_accepted() -> bool:
            return (await read_config(client, key)).status_code == 200

        await until(is_accepted)


async def test_every_one_of_several_limits_applies(api: ApiOpener, key: str) -> None:
    async with api(limit_visitor="100/second; 2/hour") as client:
        assert await statuses(*(read_config(client, key) for _ in range(3))) == [200, 200, 429]


async def test_counters_contain_no_personal_data(
    api: ApiOpener, key: str, pool: asyncpg.Pool
) -> None:
    all_limits = dict.fromkeys(LIMITS, "9/day")
    async with api(**all_limits) as client:
        await post(client, key, WIDGET_LEAD, {"email": "zoe@example.com", "phone": "+12125550100"})
    rows = await pool.fetch("SELECT key FROM crm.rate_limits")
    assert len(rows) == 6
    keys = " ".join(row["key"] for row in rows)
    for value in ("zoe", "example", "5550100", "203.0.113", "v_1", key):
        assert value not in keys


async def test_expired_counters_are_purged_in_batches(pool: asyncpg.Pool) -> None:
    await pool.execute(
        "INSERT INTO crm.rate_limits SELECT 'old/' || n, 1, now() - interval '1 minute' "
        "FROM generate_series(1, 25) n UNION ALL SELECT 'new', 1, now() + interval '1 minute'"
    )
    async with pool.acquire() as conn:
        assert [await counters.purge(conn, 10) for _ in range(4)] == [10, 10, 5, 0]
    assert await pool.fetchval("SELECT key FROM crm.rate_limits") == "new"


async def test_the_api_purges_expired_counters(api: ApiOpener, pool: asyncpg.Pool) -> None:
    await pool.execute("INSERT INTO crm.rate_limits VALUES ('old', 1, now())")
    async with api():

        async def is_empty() -> bool:
            return int(await pool.fetchval("SELECT count(*) FROM crm.rate_limits")) == 0

        await until(is_empty)


async def test_a_request_is_counted_until_a_counter_has_more_than_it_allows(
    pool: asyncpg.Pool,
) -> None:
    first, second = Counted("a", 2, 3_600), Counted("b", 3, 3_600)
    async with pool.acquire() as conn:
        counts = [await count_request(conn, [first, second]) for _ in range(3)]
        assert [[count.hits for count in both] for both in counts] == [[1, 1], [2, 2], [3]]
        assert [count.hits for count in await count_request(conn, [second])] == [3]


async def test_a_counter_starts_again_when_its_window_has_ended(pool: asyncpg.Pool) -> None:
    """A counter at its limit is counted up to the end of its window, and from one after it."""
    async with pool.acquire() as conn:

        async def count(seconds: int) -> Count:
            [result] = await count_request(conn, [Counted("a", 2, seconds)])
            return result

        assert [(await count(3_600)).hits for _ in range(3)] == [1, 2, 3]
        end = (await count(7_200)).ends_at
        assert (await count(7_200)) == (5, end)
        await conn.execute("UPDATE crm.rate_limits SET ends_at = clock_timestamp()")
        assert [(await count(3_600)).hits for _ in range(2)] == [1, 2]
        assert (await count(3_600)).ends_at >= end


@pytest.mark.parametrize("name", LIMITS)
def test_a_malformed_limit_is_refused(name: str, tmp_path: Any) -> None:
    def make_settings_with(text: str) -> Settings:
        return make_settings("postgresql://x@y/z", "b:1", tmp_path, **{name: text})

    assert getattr(make_settings_with("10/second;300/hour"), name) == "10/second;300/hour"
    for text in ("ten a minute", "10", "10/fortnight", "-1/minute", "0/minute"):
        with pytest.raises(ValidationError):
            make_settings_with(text)


def test_every_default_limit_is_positive(tmp_path: Any) -> None:
    defaults = {name: Settings.model_fields[name].default for name in LIMITS}
    assert all(parse(limit).amount > 0 for text in defaults.values() for limit in text.split(";"))
