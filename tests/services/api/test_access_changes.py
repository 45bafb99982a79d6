"""The end of a role that was changed, and of a widget key that was revoked."""

import asyncio
import math
import time
from collections.abc import AsyncIterator

import asyncpg
import httpx2
import pytest

from events.widgets import WidgetKeyRevoked
from services.api.app import create_app
from services.api.auth.lookups import LookupCache
from services.runtime.settings import Settings
from tests.conftest import until
from tests.services.api.site import CHAT, EchoResponder, Site, create_site, open_api, open_client
from tests.world import make_world

MARGIN_SECONDS = 3.0
"""Time that a loaded machine may add."""


async def make_viewer(site: Site) -> None:
    await site.world.pool.execute("UPDATE profiles SET role = 'viewer' WHERE id = $1", site.manager)


async def may_write(site: Site) -> bool:
    """Return whether the manager may create a lead: only then is the missing contact seen."""
    response = await site.client.post(
        "/api/leads", json={"propertyId": str(site.property_id)}, headers=site.console_headers()
    )
    assert response.status_code in (400, 403), response.text
    return response.status_code == 400


async def may_chat(site: Site) -> bool:
    response = await site.client.post(CHAT, json={"message": " "}, headers=site.widget_headers())
    assert response.status_code in (400, 401), response.text
    return response.status_code == 400


async def revoke_key(site: Site) -> None:
    key_id = await site.world.pool.fetchval("SELECT key_id FROM crm_state.widget_keys")
    await site.world.append(
        site.world.new(WidgetKeyRevoked(property_id=site.property_id, key_id=key_id))
    )
    await site.project()


@pytest.fixture
async def remembering(
    settings: Settings, direct_settings: Settings, pool: asyncpg.Pool
) -> AsyncIterator[Site]:
    """Run an API that remembers callers for ever, unless a change is announced."""
    settings = settings.model_copy(update={"database_direct_url": direct_settings.database_url})
    app = create_app(settings, responder := EchoResponder())
    transport = httpx2.ASGITransport(app=app)
    async with app.router.lifespan_context(app), open_client("http://crm", transport) as client:
        for cache in (app.state.context.profiles, app.state.context.widgets):
            cache.lifespan_seconds = math.inf
        yield await create_site(client, await make_world(pool), responder)


async def test_an_announced_change_of_a_role_is_seen_at_once(remembering: Site) -> None:
    assert await may_write(remembering)
    await make_viewer(remembering)

    async def is_refused() -> bool:
        return not await may_write(remembering)

    await until(is_refused)


async def test_an_announced_revocation_of_a_widget_key_is_seen_at_once(remembering: Site) -> None:
    assert await may_chat(remembering)
    await revoke_key(remembering)

    async def is_refused() -> bool:
        return not await may_chat(remembering)

    await until(is_refused)


@pytest.mark.parametrize("seconds", [0.0, 2.0])
async def test_without_an_announcement_a_role_and_a_key_end_after_the_time_of_the_setting(
    settings: Settings, pool: asyncpg.Pool, seconds: float
) -> None:
    """The address is taken for that of a pooler, which passes no notification on."""
    deaf = settings.model_copy(update={
        "database_pooler": "transaction", "database_direct_url": None, "caller_seconds": seconds,
    })  # fmt: skip
    async with open_api(deaf, responder := EchoResponder()) as client:
        site = await create_site(client, await make_world(pool), responder)
        assert await may_write(site)
        assert await may_chat(site)
        await make_viewer(site)
        await revoke_key(site)
        started = time.monotonic()
        while await may_write(site) or await may_chat(site):
            assert 0 < time.monotonic() - started < seconds + MARGIN_SECONDS
            assert seconds > 0
            await asyncio.sleep(0.05)  # the time itself is what is tested


async def test_what_was_read_before_a_clear_is_not_remembered() -> None:
    cache: LookupCache[str, int] = LookupCache(60)
    results = iter([1, 2])

    async def find() -> int:
        found = next(results)
        cache.clear()  # as if the notification came while the query ran
        return found

    assert await cache.load("a", find) == 1
    assert await cache.load("a", find) == 2


async def test_what_does_not_exist_is_looked_up_each_time() -> None:
    cache: LookupCache[str, int] = LookupCache(60)
    results = iter([None, 7])

    async def find() -> int | None:
        return next(results)

    assert await cache.load("a", find) is None
    assert await cache.load("a", find) == 7
    assert await cache.load("a", find) == 7
