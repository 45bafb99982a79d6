"""The session event stream over a socket: what a browser receives, limits, and its end."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2
import pytest
from asyncpg.connection import LoggedQuery

from services.api import session_listeners
from services.api.app import create_app
from services.api.context import ApiContext
from services.api.problems import Problem
from services.api.routes import session_events
from services.api.server import STOP_SECONDS, ApiServer
from services.api.session_listeners import (
    MAX_STREAMS_PER_SESSION,
    SessionListeners,
    StreamLimits,
)
from services.runtime.database import pooled
from services.runtime.settings import Settings
from tests.conftest import until
from tests.services.api.lost_connections import terminate_api_connections
from tests.services.api.openapi_check import check_response
from tests.services.api.site import CHAT, CHAT_STREAM, ORIGIN, STREAM_TICKETS, Site, url_of


@dataclass
class Browser:
    """An EventSource; `received` holds (event, id, data) of every event."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    received: list[tuple[str, str | None, Any]] = field(default_factory=list)
    comments: int = 0

    def messages(self) -> list[str]:
        return [data["content"] for kind, _, data in self.received if kind == "message"]

    def states(self) -> list[Any]:
        return [data for kind, _, data in self.received if kind == "state"]

    def last_id(self) -> str:
        return [key for _, key, _ in self.received if key][-1] or ""

    async def read(self, response: httpx2.Response) -> None:
        event_fields: dict[str, str] = {}
        async for line in response.aiter_lines():
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                self.comments += 1
            elif line:
                event_fields[name] = value
            else:
                event_type = event_fields.get("event", "message")
                if "data" in event_fields:
                    self.received.append(
                        (event_type, event_fields.get("id"), json.loads(event_fields["data"]))
                    )
                event_fields = {}


@dataclass
class SocketApi:
    """The site's API on a socket."""

    site: Site
    context: ApiContext
    server: ApiServer
    client: httpx2.AsyncClient
    serving: "asyncio.Task[None]"

    async def get_ticket(self, session: str) -> str:
        response = await self.client.post(
            STREAM_TICKETS, json={"sessionId": session}, headers=self.site.widget_headers()
        )
        assert response.status_code == 201, response.text
        ticket: str = response.json()["ticket"]
        return ticket

    @asynccontextmanager
    async def open_browser(self, session: str, **headers: str) -> AsyncIterator[Browser]:
        """Open a browser that reads the stream until the block ends."""
        browser = Browser()
        params = {"sessionId": session, "ticket": await self.get_ticket(session)}

        async def listen() -> None:
            async with self.client.stream(
                "GET", CHAT_STREAM, params=params, headers=headers
            ) as response:
                browser.status, browser.headers = response.status_code, dict(response.headers)
                await browser.read(response)

        task = asyncio.create_task(listen())
        try:
            await until(lambda: browser.status or task.done())
            yield browser
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def serve(site: Site, settings: Settings, **more: Any) -> AsyncIterator[SocketApi]:
    socket_settings = settings.model_copy(update={**more, "http_port": 0})
    app = create_app(socket_settings, site.responder)
    server = ApiServer(socket_settings, app)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    async with httpx2.AsyncClient(base_url=url_of(server), timeout=20) as client:
        yield SocketApi(site, app.state.context, server, client, serving)
    server.should_exit = True
    await asyncio.wait_for(serving, 20)


@pytest.fixture
async def api(
    site: Site, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SocketApi]:
    monkeypatch.setattr(session_listeners, "POLL_SECONDS", 0.02)
    shares = {"streams_per_property_percent": 100, "streams_per_network_percent": 100}
    async with serve(site, settings, streams_per_process=5, **shares) as running:
        yield running


async def start_conversation(site: Site) -> tuple[str, str]:
    turn = await site.send_chat("hello")
    await site.project()
    return turn["sessionId"], turn["conversationId"]


async def answer(site: Site, conversation: str, text: str) -> None:
    url = f"/api/conversations/{conversation}"
    await site.client.post(f"{url}/takeover", headers=site.console_headers())
    response = await site.client.post(
        f"{url}/messages", json={"content": text}, headers=site.console_headers()
    )
    assert response.status_code == 201, response.text
    await site.project()


async def test_an_agents_answer_is_sent_to_the_visitor_s_browser(api: SocketApi) -> None:
    session, conversation = await start_conversation(api.site)
    async with api.open_browser(session) as browser:
        assert browser.status == 200
        assert browser.headers["content-type"].startswith("text/event-stream")
        assert browser.headers["cache-control"] == "no-store"
        await until(lambda: len(browser.received) == 3)
        await answer(api.site, conversation, "This is Sam\nand Kim")
        await until(lambda: len(browser.messages()) == 4)
        await until(lambda: len(browser.states()) == 2)
        assert [state["isHumanMode"] for state in browser.states()] == [False, True]
        assert browser.messages()[3] == "This is Sam\nand Kim"
    polled = await api.client.get(
        CHAT, params={"sessionId": session}, headers=api.site.widget_headers()
    )
    assert [
        data for event_type, _, data in browser.received if event_type == "message"
    ] == polled.json()["messages"]
    for event_type, event_id, data in browser.received:
        assert event_id == (data["id"] if event_type == "message" else None)


async def test_the_state_says_whether_the_visitor_waits_for_an_agent(api: SocketApi) -> None:
    session, conversation = await start_conversation(api.site)
    url = f"/api/conversations/{conversation}/takeover"
    async with api.open_browser(session) as browser:

        async def read_state(number: int) -> tuple[bool, bool]:
            await api.site.project()
            await until(lambda: len(browser.states()) >= number)
            state = browser.states()[number - 1]
            return state["isHumanMode"], state["waitingForHuman"]

        assert await read_state(1) == (False, False)
        await api.site.client.post(url, headers=api.site.console_headers())
        assert await read_state(2) == (True, True)
        await answer(api.site, conversation, "This is Sam")
        assert await read_state(3) == (True, False), "the agent has answered"
        await api.site.send_chat("And on Sunday?", sessionId=session)
        assert await read_state(4) == (True, True)
        await answer(api.site, conversation, "On Sunday too")
        assert await read_state(5) == (True, False)
        await api.site.client.delete(url, headers=api.site.console_headers())
        assert await read_state(6) == (False, False)


async def test_a_browser_that_reconnects_receives_each_message_once(
    api: SocketApi,
) -> None:
    session, conversation = await start_conversation(api.site)
    async with api.open_browser(session) as first:
        await until(lambda: len(first.messages()) == 2)
    await answer(api.site, conversation, "while you were away")
    async with api.open_browser(session, **{"Last-Event-ID": first.last_id()}) as second:
        await until(lambda: len(second.messages()) == 2)
        assert second.messages()[1] == "while you were away"
    unknown = await api.client.get(
        CHAT_STREAM, params={"sessionId": session},
        headers=api.site.widget_headers(**{"Last-Event-ID": str(uuid4())}),
    )  # fmt: skip
    assert (unknown.status_code, unknown.json()["code"]) == (400, "unknown_message")


async def test_a_stream_can_be_read_from_allowed_origins_only(api: SocketApi) -> None:
    session, _ = await start_conversation(api.site)
    for origin in ("https://evil.example.com", "null"):
        params = {"sessionId": session, "ticket": await api.get_ticket(session)}
        response = await api.client.get(CHAT_STREAM, params=params, headers={"Origin": origin})
        assert response.status_code == 403, origin
    async with api.open_browser(session, Origin=ORIGIN) as browser:
        assert browser.headers["access-control-allow-origin"] == ORIGIN


async def test_streams_are_limited_per_session_and_process_and_a_closed_one_is_free_again(
    api: SocketApi,
) -> None:
    turns = [await api.site.send_chat(f"hello {number}") for number in range(3)]
    full_session, second_session, third_session = (turn["sessionId"] for turn in turns)
    await api.site.project()

    async def is_refused(session: str) -> bool:
        response = await api.client.get(
            CHAT_STREAM, params={"sessionId": session}, headers=api.site.widget_headers()
        )
        await check_response(response)
        assert (response.status_code, response.json()["code"]) == (503, "too_many_streams")
        return int(response.headers["Retry-After"]) > 0

    async with AsyncExitStack() as browsers:
        for _ in range(MAX_STREAMS_PER_SESSION):
            await browsers.enter_async_context(api.open_browser(full_session))
        assert await is_refused(full_session)
        async with api.open_browser(second_session):
            assert await is_refused(third_session)
        await until(lambda: len(api.context.listeners) == MAX_STREAMS_PER_SESSION)
        async with api.open_browser(third_session) as browser:
            assert browser.status == 200


async def test_a_stream_that_is_no_longer_read_is_closed(api: SocketApi) -> None:
    session, _ = await start_conversation(api.site)
    async with api.open_browser(session):
        assert len(api.context.listeners) == 1
    await until(lambda: len(api.context.listeners) == 0)


async def test_an_idle_stream_sends_heartbeats(
    api: SocketApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_events, "HEARTBEAT_SECONDS", 0.05)
    session, _ = await start_conversation(api.site)
    async with api.open_browser(session) as browser:
        await until(lambda: browser.comments >= 3)
        assert len(browser.messages()) == 2


async def test_a_stream_ends_after_stream_seconds(site: Site, settings: Settings) -> None:
    session, _ = await start_conversation(site)
    async with serve(site, settings, stream_seconds=0.4) as api:
        started = time.monotonic()
        async with api.open_browser(session) as browser:
            await until(lambda: len(browser.messages()) == 2)
            await until(lambda: len(api.context.listeners) == 0)
        assert time.monotonic() - started >= 0.4


async def test_a_stream_continues_after_lost_database_connections(
    api: SocketApi, owner_pool: asyncpg.Pool
) -> None:
    session, conversation = await start_conversation(api.site)
    async with api.open_browser(session) as browser:
        await until(lambda: len(browser.messages()) == 2)
        assert await terminate_api_connections(owner_pool) > 0

        async def take_over() -> bool:
            url = f"/api/conversations/{conversation}/takeover"
            return (await api.site.client.post(url, headers=api.site.console_headers())).is_success

        await until(take_over)
        await api.site.project()
        await until(lambda: len(browser.messages()) == 3)


async def test_a_stopping_process_ends_its_streams(site: Site, settings: Settings) -> None:
    session, _ = await start_conversation(site)
    async with serve(site, settings) as api:
        async with api.open_browser(session) as browser:
            await until(lambda: len(browser.messages()) == 2)
            started = time.monotonic()
            api.server.should_exit = True
            await asyncio.wait_for(api.serving, STOP_SECONDS)
            assert time.monotonic() - started < STOP_SECONDS / 2
        with pytest.raises(Problem):
            api.context.listeners.join(uuid4(), uuid4(), "x")


async def test_any_number_of_listeners_needs_one_query_per_poll(
    direct_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_listeners, "POLL_SECONDS", 0.01)
    query_times: list[float] = []

    def record_query(_query: LoggedQuery) -> None:
        query_times.append(time.monotonic())

    async with pooled(direct_settings, "test", size=1) as pool:
        async with pool.acquire() as conn:
            conn.add_query_logger(record_query)
        listeners = SessionListeners(pool, StreamLimits(100, 100, 100, 0))
        joined = [listeners.join(uuid4(), uuid4(), "x") for _ in range(50)]
        polling = asyncio.create_task(listeners.run())
        await until(lambda: len(query_times) >= 5)
        for listener in joined:
            listeners.leave(listener)
            listeners.leave(listener)
        assert len(listeners) == 0
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
    assert all(later - before >= 0.009 for before, later in itertools.pairwise(query_times))
