"""The widget's stream over a real socket: what a visitor's browser receives, and how it ends."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import event as events

from services.api import session_listeners
from services.api.app import create_app
from services.api.context import Core
from services.api.problems import Problem
from services.api.routes import session_events
from services.api.server import STOP_SECONDS, Server
from services.api.session_listeners import MOST_OF_A_SESSION, Listening
from services.runtime.database import open_engine
from services.runtime.settings import Settings
from tests.conftest import until
from tests.services.api.conftest import ORIGIN, Site, address_of

CHAT, STREAM = "/api/lumaleasing/chat", "/api/lumaleasing/chat/stream"


@dataclass
class Browser:
    """An EventSource: what it has received, as (event, id, data)."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    received: list[tuple[str, str | None, Any]] = field(default_factory=list)
    comments: int = 0

    def said(self) -> list[str]:
        return [data["content"] for kind, _, data in self.received if kind == "message"]

    def states(self) -> list[Any]:
        return [data for kind, _, data in self.received if kind == "state"]

    def last_id(self) -> str:
        return [key for _, key, _ in self.received if key][-1] or ""

    async def read(self, answer: httpx2.Response) -> None:
        event: dict[str, str] = {}
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                self.comments += 1
            elif line:
                event[name] = value
            else:
                kind = event.get("event", "message")
                if "data" in event:
                    self.received.append((kind, event.get("id"), json.loads(event["data"])))
                event = {}


@dataclass
class Served:
    """The site's API behind a socket."""

    site: Site
    core: Core
    server: Server
    client: httpx2.AsyncClient
    serving: "asyncio.Task[None]"

    @asynccontextmanager
    async def listening(self, session: str, **headers: str) -> AsyncIterator[Browser]:
        """A browser that listens while the block runs."""
        browser = Browser()
        asked = {"sessionId": session, "key": self.site.key, "visitorId": "v_1"}

        async def listen() -> None:
            async with self.client.stream("GET", STREAM, params=asked, headers=headers) as answer:
                browser.status, browser.headers = answer.status_code, dict(answer.headers)
                await browser.read(answer)

        task = asyncio.create_task(listen())
        try:
            await until(lambda: browser.status or task.done())
            yield browser
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def served(site: Site, settings: Settings, **more: Any) -> AsyncIterator[Served]:
    own = settings.model_copy(update={**more, "http_port": 0})
    app = create_app(own, site.parrot)
    server = Server(own, app)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    async with httpx2.AsyncClient(base_url=address_of(server), timeout=20) as client:
        yield Served(site, app.state.core, server, client, serving)
    server.should_exit = True
    await asyncio.wait_for(serving, 20)


@pytest.fixture
async def api(
    site: Site, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Served]:
    monkeypatch.setattr(session_listeners, "POLL_SECONDS", 0.02)
    async with served(site, settings, streams_per_process=5) as running:
        yield running


async def begun(site: Site) -> tuple[str, str]:
    said = await site.chat("hello")
    await site.project()
    return said["sessionId"], said["conversationId"]


async def answer(site: Site, talk: str, text: str) -> None:
    url = f"/api/conversations/{talk}"
    await site.client.post(f"{url}/takeover", headers=site.console())
    said = await site.client.post(f"{url}/messages", json={"content": text}, headers=site.console())
    assert said.status_code == 201, said.text
    await site.project()


async def test_an_agents_answer_reaches_a_visitor_who_listens(api: Served) -> None:
    session, talk = await begun(api.site)
    async with api.listening(session) as browser:
        assert browser.status == 200
        assert browser.headers["content-type"].startswith("text/event-stream")
        assert browser.headers["cache-control"] == "no-store"
        await until(lambda: len(browser.received) == 3)
        await answer(api.site, talk, "This is Sam\nand Kim")
        await until(lambda: len(browser.said()) == 4)
        await until(lambda: len(browser.states()) == 2)
        assert [state["isHumanMode"] for state in browser.states()] == [False, True]
        assert browser.said()[3] == "This is Sam\nand Kim"
    polled = await api.client.get(CHAT, params={"sessionId": session}, headers=api.site.widget())
    assert [data for kind, _, data in browser.received if kind == "message"] == polled.json()[
        "messages"
    ]
    for kind, key, data in browser.received:
        assert key == (data["id"] if kind == "message" else None)


async def test_a_browser_that_comes_again_misses_nothing_and_sees_nothing_twice(
    api: Served,
) -> None:
    session, talk = await begun(api.site)
    async with api.listening(session) as first:
        await until(lambda: len(first.said()) == 2)
    await answer(api.site, talk, "while you were away")
    async with api.listening(session, **{"Last-Event-ID": first.last_id()}) as again:
        await until(lambda: len(again.said()) == 2)
        assert again.said()[1] == "while you were away"
    strange = await api.client.get(
        STREAM, params={"sessionId": session},
        headers=api.site.widget(**{"Last-Event-ID": str(uuid4())}),
    )  # fmt: skip
    assert (strange.status_code, strange.json()["code"]) == (400, "unknown_message")


async def test_the_key_opens_the_stream_by_header_or_query_and_nothing_else_by_query(
    api: Served,
) -> None:
    session, _ = await begun(api.site)
    query = {"sessionId": session}
    for params, headers, status in (
        ({}, {}, 401),
        ({"key": "nope"}, {}, 401),
        ({"key": api.site.key}, {}, 404),
        ({"key": api.site.key, "visitorId": "v_2"}, {}, 404),
        ({"key": api.site.key, "visitorId": "v_1"}, {"Origin": "https://evil.example.com"}, 403),
        ({"key": api.site.key, "visitorId": "v_1"}, {"Origin": "null"}, 403),
    ):
        seen = await api.client.get(STREAM, params=query | params, headers=headers)
        assert seen.status_code == status, (params, headers)
    async with api.listening(session, Origin=ORIGIN) as browser:
        assert browser.headers["access-control-allow-origin"] == ORIGIN
    polled = await api.client.get(CHAT, params=query | {"key": api.site.key, "visitorId": "v_1"})
    assert polled.status_code == 401


async def test_there_is_room_for_so_many_streams_and_a_place_that_is_left_is_free(
    api: Served,
) -> None:
    said = [await api.site.chat(f"hello {number}") for number in range(3)]
    crowded, alone, late = (one["sessionId"] for one in said)
    await api.site.project()

    async def refused(session: str) -> bool:
        answer = await api.client.get(
            STREAM, params={"sessionId": session}, headers=api.site.widget()
        )
        assert (answer.status_code, answer.json()["code"]) == (503, "too_many_streams")
        return int(answer.headers["Retry-After"]) > 0

    async with AsyncExitStack() as tabs:
        for _ in range(MOST_OF_A_SESSION):
            await tabs.enter_async_context(api.listening(crowded))
        assert await refused(crowded)
        async with api.listening(alone):
            assert await refused(late)
        await until(lambda: len(api.core.listening) == MOST_OF_A_SESSION)
        async with api.listening(late) as browser:
            assert browser.status == 200


async def test_a_stream_that_nobody_reads_any_more_gives_its_place_back(api: Served) -> None:
    session, _ = await begun(api.site)
    async with api.listening(session):
        assert len(api.core.listening) == 1
    await until(lambda: len(api.core.listening) == 0)


async def test_a_stream_beats_while_nothing_happens(
    api: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_events, "HEARTBEAT_SECONDS", 0.05)
    session, _ = await begun(api.site)
    async with api.listening(session) as browser:
        await until(lambda: browser.comments >= 3)
        assert len(browser.said()) == 2


async def test_a_stream_ends_after_its_time(site: Site, settings: Settings) -> None:
    session, _ = await begun(site)
    async with served(site, settings, stream_seconds=0.4) as api:
        began = time.monotonic()
        async with api.listening(session) as browser:
            await until(lambda: len(browser.said()) == 2)
            await until(lambda: len(api.core.listening) == 0)
        assert time.monotonic() - began >= 0.4


async def test_a_stream_outlives_a_database_that_drops_its_connections(api: Served) -> None:
    session, talk = await begun(api.site)
    async with api.listening(session) as browser:
        await until(lambda: len(browser.said()) == 2)
        async with api.site.world.pool.acquire() as conn:
            await conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'crm api' AND datname = current_database()"
            )

        async def taken() -> bool:
            url = f"/api/conversations/{talk}/takeover"
            return (await api.site.client.post(url, headers=api.site.console())).is_success

        await until(taken)
        await api.site.project()
        await until(lambda: len(browser.said()) == 3)


async def test_a_process_that_stops_does_not_wait_for_its_streams(
    site: Site, settings: Settings
) -> None:
    session, _ = await begun(site)
    async with served(site, settings) as api:
        async with api.listening(session) as browser:
            await until(lambda: len(browser.said()) == 2)
            began = time.monotonic()
            api.server.should_exit = True
            await asyncio.wait_for(api.serving, STOP_SECONDS)
            assert time.monotonic() - began < STOP_SECONDS / 2
        with pytest.raises(Problem):
            api.core.listening.join(uuid4())


async def test_however_many_listen_one_question_is_asked(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_listeners, "POLL_SECONDS", 0.01)
    engine = open_engine(settings, "test")
    asked: list[float] = []

    @events.listens_for(engine.sync_engine, "before_cursor_execute")
    def note(*_: Any) -> None:
        asked.append(time.monotonic())

    room = Listening(engine, 100)
    listeners = [room.join(uuid4()) for _ in range(50)]
    running = asyncio.create_task(room.run())
    await until(lambda: len(asked) >= 5)
    for listener in listeners:
        room.leave(listener)
        room.leave(listener)
    assert len(room) == 0
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert all(later - before >= 0.009 for before, later in itertools.pairwise(asked))
    await engine.dispose()
