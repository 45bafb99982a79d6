"""The API as a process: started, asked over a socket, sent garbage, asked to stop."""

import asyncio
import hashlib
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import asyncpg
import httpx2
import pytest

from events.widgets import WidgetConfigured, WidgetKeyIssued
from services.api.server import STOP_SECONDS
from services.local_stack.ports import free_port
from services.runtime.settings import Settings, as_environment
from tests.conftest import until
from tests.world import World, make_world

pytestmark = pytest.mark.stack


@dataclass
class Running:
    """A process, where it listens, and a key it knows."""

    process: asyncio.subprocess.Process
    port: int
    client: httpx2.AsyncClient
    headers: dict[str, str]


@asynccontextmanager
async def running(settings: Settings, world: World) -> AsyncIterator[Running]:
    key, host_property, port = uuid4().hex, world.properties[0], free_port()
    hashed = hashlib.sha256(key.encode()).hexdigest()
    await world.append(
        world.new(WidgetKeyIssued(property_id=host_property, key_id=uuid4(), key_hash=hashed)),
        world.new(WidgetConfigured(property_id=host_property, is_active=True)),
    )
    await world.project()
    env = as_environment(settings.model_copy(update={"http_port": port}))
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "services.api", env=env)
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:

            async def ready() -> bool:
                try:
                    return (await client.get("/readyz")).status_code == 200
                except httpx2.TransportError:
                    return False

            await until(ready)
            yield Running(process, port, client, {"X-API-Key": key, "X-Visitor-ID": "v_1"})
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 20)
    assert process.returncode in (0, -signal.SIGTERM)


async def test_a_running_api_answers_survives_garbage_and_stops(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    world = await make_world(pool)
    async with running(settings, world) as api:
        chat = await api.client.post(
            "/api/lumaleasing/chat", json={"message": "hello"}, headers=api.headers
        )
        assert chat.status_code == 200, chat.text
        for garbage in (
            b"\x00\xff\x16\x03", b"GET\r\n\r\n", (b"POST /api/leads HTTP/1.1\r\nHost: x\r\n"
            b"Content-Length: -5\r\n\r\n"), b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
            (b"POST /api/lumaleasing/chat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"ZZ\r\n"),
            b"POST /api/lumaleasing/chat HTTP/1.1\r\nHost: x\r\nX-API-Key: "
            + api.headers["X-API-Key"].encode()
            + b"\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{",
        ):  # fmt: skip
            reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
            writer.write(garbage)
            writer.write_eof()
            said = await asyncio.wait_for(reader.read(), 10)
            assert not said.startswith(b"HTTP/1.1 5"), garbage[:60]
            writer.close()
        large = await api.client.post(
            "/api/lumaleasing/chat", content=b"x" * 3_000_000,
            headers={**api.headers, "Content-Type": "application/json"},
        )  # fmt: skip
        assert large.status_code == 413
        assert (await api.client.get("/healthz")).status_code == 200


async def test_a_database_that_drops_its_connections_is_no_fault_of_clients(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    world = await make_world(pool)
    async with running(settings, world) as api:

        async def say() -> int:
            answer = await api.client.post(
                "/api/lumaleasing/chat", json={"message": "hello"}, headers=api.headers
            )
            return answer.status_code

        assert await say() == 200
        async with pool.acquire() as conn:
            for _ in range(5):
                asked = [asyncio.create_task(say()) for _ in range(10)]
                await conn.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'crm api' AND datname = current_database()"
                )
                assert set(await asyncio.gather(*asked)) <= {200, 503}

        async def well() -> bool:
            return await say() == 200

        await until(well)


async def test_a_running_api_does_not_wait_for_those_who_listen(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    world = await make_world(pool)
    async with running(settings, world) as api:
        chat = "/api/lumaleasing/chat"
        said = await api.client.post(chat, json={"message": "hello"}, headers=api.headers)
        await world.project()
        query = {"sessionId": said.json()["sessionId"]}
        async with api.client.stream(
            "GET", f"{chat}/stream", params=query, headers=api.headers, timeout=STOP_SECONDS / 2
        ) as listening:
            assert listening.status_code == 200
            lines = listening.aiter_lines()
            while "hello" not in await anext(lines):
                pass
            api.process.send_signal(signal.SIGTERM)
            async for _ in lines:
                pass
            await asyncio.wait_for(api.process.wait(), STOP_SECONDS / 2)
