"""The API as a process: start, requests over a socket, garbage, lost connections, stop."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import httpx2
import pytest

from services.api.server import STOP_SECONDS
from services.local_stack.ports import free_port
from services.runtime.environment import to_environment
from services.runtime.settings import Settings
from tests.conftest import until
from tests.services.api.lost_connections import terminate_api_connections
from tests.services.api.site import CHAT, CHAT_STREAM, create_widget
from tests.world import World, make_world

pytestmark = pytest.mark.stack


@dataclass
class RunningApi:
    """A running API process, its port and the headers of a visitor."""

    process: asyncio.subprocess.Process
    port: int
    client: httpx2.AsyncClient
    headers: dict[str, str]


@asynccontextmanager
async def run_api(settings: Settings, world: World) -> AsyncIterator[RunningApi]:
    key, port = await create_widget(world), free_port()
    environment = to_environment(settings.model_copy(update={"http_port": port}))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.api", env=environment
    )
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:

            async def is_ready() -> bool:
                try:
                    return (await client.get("/healthz")).status_code == 200
                except httpx2.TransportError:
                    return False

            await until(is_ready)
            yield RunningApi(process, port, client, {"X-API-Key": key, "X-Visitor-ID": "v_1"})
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 20)
    assert process.returncode in (0, -signal.SIGTERM)


async def test_an_api_process_survives_garbage_on_its_socket(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    world = await make_world(pool)
    async with run_api(settings, world) as api:
        chat = await api.client.post(CHAT, json={"message": "hello"}, headers=api.headers)
        assert chat.status_code == 200, chat.text
        for garbage in (
            b"\x00\xff\x16\x03",
            b"GET\r\n\r\n",
            b"POST /api/leads HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
            b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
            (
                b"POST /api/lumaleasing/chat HTTP/1.1\r\nHost: x\r\n"
                b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n"
            ),
            b"POST /api/lumaleasing/chat HTTP/1.1\r\nHost: x\r\nX-API-Key: "
            + api.headers["X-API-Key"].encode()
            + b"\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{",
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
            writer.write(garbage)
            writer.write_eof()
            received = await asyncio.wait_for(reader.read(), 10)
            assert not received.startswith(b"HTTP/1.1 5"), garbage[:60]
            writer.close()
        too_large = await api.client.post(
            CHAT, content=b"x" * 3_000_000,
            headers={**api.headers, "Content-Type": "application/json"},
        )  # fmt: skip
        assert too_large.status_code == 413
        assert (await api.client.get("/healthz")).status_code == 200


async def test_lost_database_connections_end_in_503_and_the_api_recovers(
    settings: Settings, pool: asyncpg.Pool, owner_pool: asyncpg.Pool
) -> None:
    world = await make_world(pool)
    async with run_api(settings, world) as api:

        async def send_message() -> int:
            response = await api.client.post(CHAT, json={"message": "hello"}, headers=api.headers)
            return response.status_code

        assert await send_message() == 200
        for _ in range(5):
            requests = [asyncio.create_task(send_message()) for _ in range(10)]
            await until(lambda: terminate_api_connections(owner_pool))
            assert set(await asyncio.gather(*requests)) <= {200, 503}

        async def is_recovered() -> bool:
            return await send_message() == 200

        await until(is_recovered)


async def test_a_stopping_api_does_not_wait_for_event_streams(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    world = await make_world(pool)
    async with run_api(settings, world) as api:
        first = await api.client.post(CHAT, json={"message": "hello"}, headers=api.headers)
        await world.project()
        query = {"sessionId": first.json()["sessionId"]}
        async with api.client.stream(
            "GET", CHAT_STREAM, params=query, headers=api.headers, timeout=STOP_SECONDS / 2
        ) as stream:
            assert stream.status_code == 200
            lines = stream.aiter_lines()
            while "hello" not in await anext(lines):
                pass
            api.process.send_signal(signal.SIGTERM)
            async for _ in lines:
                pass
            await asyncio.wait_for(api.process.wait(), STOP_SECONDS / 2)
