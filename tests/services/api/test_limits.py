"""Rate limits: by address, visitor, key and contact, counted for all processes together."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg
import httpx2
import pytest
from limits import parse
from limits.aio.strategies import FixedWindowRateLimiter
from pydantic import ValidationError

from services.api.app import create_app
from services.api.rate_limit import counters
from services.api.rate_limit.counters import Counters
from services.runtime.settings import Settings
from tests.conftest import make_settings, until
from tests.services.api import openapi_promises
from tests.services.api.conftest import ORIGIN, Parrot, furnish
from tests.world import World, make_world

CHAT = "/api/lumaleasing/chat"
LEAD = "/api/lumaleasing/lead"
CONFIG = "/api/lumaleasing/config"

Opening = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


@pytest.fixture
async def key(world: World) -> str:
    return await furnish(world)


@pytest.fixture
def api(settings: Settings) -> Opening:
    """An API with these settings, asked from an address."""

    @asynccontextmanager
    async def opened(
        address: str = "203.0.113.7", **more: Any
    ) -> AsyncIterator[httpx2.AsyncClient]:
        app = create_app(settings.model_copy(update=more), Parrot())
        async with app.router.lifespan_context(app):
            transport = httpx2.ASGITransport(app=app, client=(address, 1))
            async with httpx2.AsyncClient(
                transport=transport, base_url="http://crm",
                event_hooks={"response": [openapi_promises.check]},
            ) as client:  # fmt: skip
                yield client

    return opened


async def ask(
    client: httpx2.AsyncClient, key: str, visitor: str = "v_1", **headers: str
) -> httpx2.Response:
    said = {"X-API-Key": key, "X-Visitor-ID": visitor, **headers}
    return await client.get(CONFIG, headers=said)


async def say(client: httpx2.AsyncClient, key: str, path: str, body: Any) -> httpx2.Response:
    return await client.post(path, json=body, headers={"X-API-Key": key, "X-Visitor-ID": "v_1"})


async def statuses(*asked: Any) -> list[int]:
    return [(await one).status_code for one in asked]


async def test_one_too_many_is_429_and_says_when_to_come_again(api: Opening, key: str) -> None:
    async with api(limit_address="2/hour") as client:
        assert await statuses(ask(client, key), ask(client, key)) == [200, 200]
        answer = await ask(client, key, Origin=ORIGIN)
        assert answer.status_code == 429
        assert answer.json()["code"] == "rate_limited"
        assert 0 < int(answer.headers["Retry-After"]) <= 3_600
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]


async def test_what_was_refused_has_left_nothing(api: Opening, key: str, world: World) -> None:
    async with api(limit_visitor="1/hour") as client:
        assert (await say(client, key, CHAT, {"message": "hi"})).status_code == 200
        before = await world.count("crm_events")
        assert (await say(client, key, CHAT, {"message": "hi"})).status_code == 429
        assert await world.count("crm_events") == before


async def test_a_visitor_is_counted_on_its_property(
    api: Opening, key: str, pool: asyncpg.Pool
) -> None:
    elsewhere = await furnish(await make_world(pool))
    async with api(limit_visitor="1/hour") as client:
        assert await statuses(
            ask(client, key), ask(client, key), ask(client, key, "v_2"), ask(client, elsewhere),
        ) == [200, 429, 200, 200]  # fmt: skip


async def test_a_key_is_counted_over_all_its_visitors(
    api: Opening, key: str, pool: asyncpg.Pool
) -> None:
    elsewhere = await furnish(await make_world(pool))
    async with api(limit_key="2/hour") as client:
        assert await statuses(
            ask(client, key, "v_1"), ask(client, key, "v_2"), ask(client, key, "v_3"),
            ask(client, elsewhere, "v_1"),
        ) == [200, 200, 429, 200]  # fmt: skip


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        ("203.0.113.7", "203.0.113.250", "203.0.114.7"),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"),
        ("::ffff:203.0.113.7", "203.0.113.8", "203.0.112.7"),
    ],
)  # fmt: skip
async def test_an_address_is_counted_by_its_network(
    api: Opening, key: str, one: str, same: str, other: str
) -> None:
    found = []
    for address in (one, same, other):
        async with api(address, limit_address="1/hour") as client:
            found += await statuses(ask(client, key))
    assert found == [200, 429, 200]


async def test_an_address_is_counted_over_all_properties_and_wrong_keys(
    api: Opening, key: str, pool: asyncpg.Pool
) -> None:
    elsewhere = await furnish(await make_world(pool))
    async with api(limit_address="3/hour") as client:
        assert await statuses(
            ask(client, key), ask(client, elsewhere), ask(client, "lk_guess"),
            ask(client, "lk_guess"), ask(client, key),
        ) == [200, 200, 404, 429, 429]  # fmt: skip


async def test_forwarded_addresses_count_from_trusted_proxies_only(api: Opening, key: str) -> None:
    visitors = [{"X-Forwarded-For": f"198.51.{n}.1"} for n in range(3)]
    async with api("10.0.0.9", limit_address="1/hour") as client:
        untrusted = [ask(client, key, **one) for one in visitors]
        assert await statuses(*untrusted) == [200, 429, 429]
    trusted = {"limit_address": "1/hour", "trusted_proxies": "10.0.0.0/8, 192.0.2.1"}
    async with api("10.0.0.9", **trusted) as client:
        each = [ask(client, key, **one) for one in visitors]
        assert await statuses(*each) == [200, 200, 200]
        made_up = {"X-Forwarded-For": "198.51.99.1, 198.51.0.77, 192.0.2.1"}
        assert await statuses(ask(client, key, **made_up)) == [429]


@pytest.mark.parametrize(("path", "wrap"), [(LEAD, False), (CHAT, True)])
async def test_a_contact_is_counted_however_it_is_written(
    api: Opening, key: str, path: str, wrap: bool
) -> None:
    def body(said: dict[str, str]) -> dict[str, Any]:
        return {"message": "hi", "leadInfo": said} if wrap else said

    async with api(limit_contact="1/hour") as client:
        assert await statuses(
            say(client, key, path, body({"email": "ada@example.com"})),
            say(client, key, path, body({"email": " ADA@example.COM"})),
            say(client, key, path, body({"email": "bea@example.com", "phone": "(212) 555-0100"})),
            say(client, key, path, body({"phone": "+1 212 555 0100"})),
            say(client, key, path, body({"email": "cleo@example.com"})),
        ) == [200, 429, 200, 429, 200]  # fmt: skip


async def test_who_names_no_contact_is_not_counted_as_one(api: Opening, key: str) -> None:
    async with api(limit_contact="1/hour") as client:
        said = [say(client, key, CHAT, {"message": "hi", "leadInfo": {}}) for _ in range(3)]
        assert await statuses(*said) == [200, 200, 200]


async def test_processes_count_together(api: Opening, key: str) -> None:
    async with api(limit_key="5/hour") as one, api(limit_key="5/hour") as other:
        found = await asyncio.gather(*(ask(client, key) for client in (one, other) * 10))
        assert sorted(answer.status_code for answer in found) == [200] * 5 + [429] * 15


async def test_a_window_ends(api: Opening, key: str) -> None:
    async with api(limit_visitor="1/second") as client:

        async def both() -> bool:
            """Refused within a window, taken in a later one."""
            return (await statuses(ask(client, key), ask(client, key)))[1] == 429

        await until(both)

        async def again() -> bool:
            return (await ask(client, key)).status_code == 200

        await until(again)


async def test_several_limits_hold_together(api: Opening, key: str) -> None:
    async with api(limit_visitor="100/second; 2/hour") as client:
        assert await statuses(*(ask(client, key) for _ in range(3))) == [200, 200, 429]


async def test_what_is_counted_is_not_written_down(
    api: Opening, key: str, pool: asyncpg.Pool
) -> None:
    every = dict.fromkeys(("limit_address", "limit_visitor", "limit_key", "limit_contact"), "9/day")
    async with api(**every) as client:
        await say(client, key, LEAD, {"email": "zoe@example.com", "phone": "+12125550100"})
    rows = await pool.fetch("SELECT key FROM crm.rate_limits")
    assert len(rows) == 5
    said = " ".join(row["key"] for row in rows)
    for personal in ("zoe", "example", "5550100", "203.0.113", "v_1", key):
        assert personal not in said


async def test_counters_that_are_over_are_purged_a_batch_at_a_time(pool: asyncpg.Pool) -> None:
    await pool.execute(
        "INSERT INTO crm.rate_limits SELECT 'old/' || n, 1, now() - interval '1 minute' "
        "FROM generate_series(1, 25) n UNION ALL SELECT 'new', 1, now() + interval '1 minute'"
    )
    async with pool.acquire() as conn:
        assert [await counters.purge(conn, 10) for _ in range(4)] == [10, 10, 5, 0]
    assert await pool.fetchval("SELECT key FROM crm.rate_limits") == "new"


async def test_the_api_purges_them(api: Opening, pool: asyncpg.Pool) -> None:
    await pool.execute("INSERT INTO crm.rate_limits VALUES ('old', 1, now())")
    async with api():

        async def gone() -> bool:
            return int(await pool.fetchval("SELECT count(*) FROM crm.rate_limits")) == 0

        await until(gone)


async def test_the_storage_is_one_that_limits_can_work_with(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        storage = Counters(conn)
        limiter, item = FixedWindowRateLimiter(storage), parse("3/minute")
        assert await storage.check()
        assert [await limiter.hit(item, "a") for _ in range(4)] == [True, True, True, False]
        assert (await limiter.get_window_stats(item, "a")).remaining == 0
        assert (await limiter.get_window_stats(item, "b")).remaining == 3
        assert not await limiter.test(item, "a")
        await limiter.clear(item, "a")
        assert await limiter.test(item, "a")
        assert await limiter.hit(item, "b", cost=3)
        assert await storage.reset() == 1


@pytest.mark.parametrize("name", ["limit_address", "limit_visitor", "limit_key", "limit_contact"])
def test_a_limit_that_is_none_is_refused(name: str, tmp_path: Any) -> None:
    def made(text: str) -> Settings:
        return make_settings("postgresql://x@y/z", "b:1", tmp_path, **{name: text})

    assert getattr(made("10/second;300/hour"), name) == "10/second;300/hour"
    for wrong in ("ten a minute", "10", "10/fortnight", "-1/minute", "0/minute"):
        with pytest.raises(ValidationError):
            made(wrong)


def test_the_usual_limits_limit(tmp_path: Any) -> None:
    said = Settings.model_fields
    for name in ("limit_address", "limit_visitor", "limit_key", "limit_contact"):
        assert parse(said[name].default).amount > 0
