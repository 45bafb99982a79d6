"""The event stream of open pages over a socket: what changed, limits, and its end."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest

from services.api.app import create_app
from services.api.console import change_feed, live, table_age
from services.api.console.change_feed import EVERYTHING, ChangeFeed
from services.api.console.table_age import TableAge
from services.api.console.viewers import COOKIE
from services.api.server import STOP_SECONDS, ApiServer
from services.runtime.settings import Settings
from tests.conftest import until
from tests.services.api.lost_connections import terminate_api_connections
from tests.services.api.site import Site, create_second_property, make_bearer_token, url_of

MAX_PAGES = 2


@dataclass
class Follower:
    """An open page; `received` holds the name and the data of each event."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    received: list[tuple[str, str]] = field(default_factory=list)
    has_ended: bool = False

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.received]

    async def read(self, response: httpx2.Response) -> None:
        self.status, self.headers = response.status_code, dict(response.headers)
        name = ""
        async for line in response.aiter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                self.received.append((name, line.removeprefix("data: ")))
        self.has_ended = True


@dataclass
class LiveApi:
    """The site's API on a socket."""

    site: Site
    server: ApiServer
    client: httpx2.AsyncClient
    feed: ChangeFeed

    @asynccontextmanager
    async def follow(self, property_id: UUID | None = None) -> AsyncIterator[Follower]:
        """Follow a property until the block ends; wait until the feed has read its checkpoints."""
        follower = Follower()
        path = f"/console/properties/{property_id or self.site.property_id}/live"

        async def listen() -> None:
            async with self.client.stream("GET", path) as response:
                await follower.read(response)

        task = asyncio.create_task(listen())
        try:
            await until(lambda: follower.status)
            if follower.status == 200:
                await until(lambda: self.feed._reached is not None)
            yield follower
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def change_lead(self, property_id: UUID | None = None) -> UUID:
        """Append a lead, and bring the tables level; return its id."""
        lead = uuid4()
        event = self.site.world.captured(lead, email=f"{lead.int}@example.com")
        await self.site.world.append(self.site.world.new(event, property_id=property_id))
        await self.site.project()
        return lead


@pytest.fixture
async def api(
    site: Site, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[LiveApi]:
    monkeypatch.setattr(live, "PAUSE_SECONDS", 0.02)
    socket_settings = settings.model_copy(update={"http_port": 0, "streams_per_process": MAX_PAGES})
    app = create_app(socket_settings, site.responder)
    server = ApiServer(socket_settings, app)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    cookies = {COOKIE: make_bearer_token(site.viewer)}
    async with httpx2.AsyncClient(base_url=url_of(server), timeout=20, cookies=cookies) as client:
        yield LiveApi(site, server, client, app.state.change_feed)
    server.should_exit = True
    await serving


async def test_a_change_arrives_within_a_second_of_being_projected(api: LiveApi) -> None:
    async with api.follow() as follower:
        await until(lambda: follower.received)
        lead = await api.change_lead()
        projected_at = time.monotonic()
        await until(lambda: f"lead-{lead}" in follower.names)
        assert time.monotonic() - projected_at < 1
        assert "lead" in follower.names
        async with api.site.world.pool.acquire() as conn:
            position = await conn.fetchval(
                "SELECT position FROM crm_events WHERE entity_id = $1", lead
            )
        # The position up to which the tables contain all events, so not before that of the lead.
        assert int(dict(follower.received)[f"lead-{lead}"]) >= position
        assert follower.headers["content-type"].startswith("text/event-stream")


async def test_an_event_of_a_conversation_changes_its_lead_too(api: LiveApi) -> None:
    lead = await api.change_lead()
    async with api.follow() as follower:
        await api.site.world.append(*map(api.site.world.new, api.site.world.chat(lead)))
        await api.site.project()
        await until(lambda: {"conversation", "session", f"lead-{lead}"} <= {*follower.names})


async def test_a_page_gets_no_changes_of_another_property(api: LiveApi) -> None:
    other = await create_second_property(api.site.world)
    async with api.follow() as here, api.follow(other) as there:
        lead_there = await api.change_lead(other)
        await until(lambda: f"lead-{lead_there}" in there.names)
        lead_here = await api.change_lead()
        await until(lambda: f"lead-{lead_here}" in here.names)
        assert f"lead-{lead_there}" not in here.names
        assert f"lead-{lead_here}" not in there.names


async def test_a_page_that_connects_again_reads_everything(api: LiveApi) -> None:
    for _ in range(2):
        async with api.follow() as follower:
            await until(lambda: follower.received)
            assert follower.names[0] == EVERYTHING


async def test_pages_read_everything_after_a_rebuild_was_swapped_in(api: LiveApi) -> None:
    async with api.follow() as follower:
        await until(lambda: follower.received)
        await api.change_lead()
        await until(lambda: "lead" in follower.names)
        before = follower.names.count(EVERYTHING)
        await api.site.world.pool.execute(
            "INSERT INTO crm.projections (name, version, rebuilt_at) "
            "VALUES ('leads', 1, clock_timestamp()) "
            "ON CONFLICT (name) DO UPDATE SET rebuilt_at = excluded.rebuilt_at"
        )
        await until(lambda: follower.names.count(EVERYTHING) > before)


async def test_more_pages_than_the_limit_are_refused_until_one_is_closed(api: LiveApi) -> None:
    async with api.follow(), api.follow() as last, api.follow() as refused:
        assert (last.status, refused.status) == (200, 503)
        assert refused.headers["retry-after"]
    await until(lambda: len(api.feed) == 0)
    async with api.follow() as follower:
        assert follower.status == 200


async def test_streams_end_when_the_server_stops(api: LiveApi) -> None:
    async with api.follow() as follower:
        api.server.should_exit = True
        began_at = time.monotonic()
        await until(lambda: follower.has_ended)
        assert time.monotonic() - began_at < STOP_SECONDS / 2


async def test_a_property_of_another_organisation_has_no_stream(api: LiveApi) -> None:
    async with api.follow(uuid4()) as follower:
        assert follower.status == 404


async def test_many_changes_become_one(api: LiveApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_feed, "MAX_EVENTS", 2)
    async with api.follow() as follower:
        events = [api.site.world.captured(email=f"{uuid4().int}@example.com") for _ in range(3)]
        await until(lambda: follower.names.count(EVERYTHING) == 2)  # of the first read
        await api.site.world.append(*map(api.site.world.new, events))
        await api.site.project()
        await until(lambda: follower.names.count(EVERYTHING) == 3)
        assert "lead" not in follower.names


async def test_a_lost_connection_to_the_database_loses_no_change(
    api: LiveApi, owner_pool: asyncpg.Pool
) -> None:
    async with api.follow() as follower:
        await until(lambda: follower.received)
        await terminate_api_connections(owner_pool)
        lead = await api.change_lead()
        await until(lambda: f"lead-{lead}" in follower.names)


async def test_nothing_is_read_without_open_pages(pool: asyncpg.Pool) -> None:
    feed = ChangeFeed(pool, MAX_PAGES, TableAge(pool))
    running = asyncio.create_task(feed.run())
    await asyncio.sleep(0)  # one turn of the event loop: the task of the feed begins
    assert feed._reached is None
    page = feed.open(uuid4())
    await until(lambda: feed._reached is not None)
    feed.close(page)
    assert feed._reached is None
    running.cancel()


async def test_changes_without_end_reach_a_page_with_pauses(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of a page is read a moment after its last change; without pauses it never would be."""
    monkeypatch.setattr(live, "PAUSE_SECONDS", 0.1)
    feed = ChangeFeed(pool, MAX_PAGES, TableAge(pool))
    page = feed.open(uuid4())

    async def change() -> None:
        while True:
            page.add({"lead"}, {page.shard: 7})
            await asyncio.sleep(0.01)  # more than one change in each pause of the stream

    changing = asyncio.create_task(change())
    times = []
    async for text in live._format_changes(feed, page, 60, for_operator=False):
        if b"event: lead" in text:
            assert b"data: 7" in text
            times.append(time.monotonic())
        if len(times) == 4:
            break
    changing.cancel()
    assert all(later - earlier >= 0.1 for earlier, later in itertools.pairwise(times))


async def test_an_open_page_shows_when_its_data_becomes_old_and_current(
    api: LiveApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_age, "OLD_SECONDS", 0.0)
    monkeypatch.setattr(table_age, "READ_SECONDS", 0.1)
    event = api.site.world.captured(uuid4(), email=f"{uuid4().int}@example.com")
    await api.site.world.append(api.site.world.new(event))
    async with api.follow() as follower:
        await until(
            lambda: any("old" in data for name, data in follower.received if name == "table-age")
        )
        await api.site.project()
        await until(lambda: dict(follower.received)["table-age"] == "")
