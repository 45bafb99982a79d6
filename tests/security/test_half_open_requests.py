"""Attacks with requests that never end: slow headers, slow bodies, endless headers."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from services.api.app import create_app
from services.api.http_protocol import MAX_HEAD_BYTES
from services.api.server import ApiServer
from services.runtime.settings import Settings
from tests.conftest import until
from tests.services.api.site import CHAT, Site, url_of

LONG = 300.0
"""A limit in seconds that no test reaches."""
BODY_HEAD = (
    f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    "Content-Length: 100\r\nX-API-Key: %s\r\n\r\n"
)


@asynccontextmanager
async def serve(settings: Settings, **limits: float) -> AsyncIterator[tuple[str, int]]:
    """Run an API on a socket with other limits; yield host and port."""
    settings = settings.model_copy(update={"http_port": 0, **limits})
    server = ApiServer(settings, create_app(settings))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    address = httpx2.URL(url_of(server))
    yield address.host, address.port or 0
    server.should_exit = True
    await asyncio.wait_for(serving, 20)


class SlowClient:
    """A connection that sends one byte at a time until it is closed."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes, endless: bytes = b"") -> bytes:
        """Send `data`, then `endless` again and again; return everything that is received."""
        self._writer.write(data)
        receiving = asyncio.create_task(self._receive())
        while not receiving.done():
            if endless and not self._writer.is_closing():
                self._writer.write(endless)
            await asyncio.wait([receiving], timeout=0.02)
        self._writer.close()
        return await receiving

    async def _receive(self) -> bytes:
        """Return what arrives until the end; a reset after it takes nothing away."""
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while part := await self._reader.read(65_536):
                received += part
        return received


async def connect(address: tuple[str, int]) -> SlowClient:
    return SlowClient(*await asyncio.open_connection(*address))


@pytest.mark.parametrize(
    ("data", "endless"),
    [
        (b"", b""),
        (b"GET /healthz HT", b""),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ", b"a"),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nX-Long: ", b"a"),
    ],
    ids=["nothing", "half a line", "a slow header", "a slow second request"],
)
async def test_headers_that_do_not_arrive_in_time_are_408(
    settings: Settings, data: bytes, endless: bytes
) -> None:
    async with serve(settings, http_head_seconds=0.4, http_body_seconds=LONG) as address:
        started = time.monotonic()
        received = await asyncio.wait_for((await connect(address)).send(data, endless), 20)
        assert time.monotonic() - started >= 0.4
        assert received.split(b"\r\n\r\n")[-2].endswith(b"close")
        assert b"HTTP/1.1 408" in received
        assert b"request_timeout" in received
        assert b"cache-control: no-store" in received
        assert b"x-content-type-options: nosniff" in received


@pytest.mark.parametrize("endless", [b"", b" "], ids=["no body", "a slow body"])
async def test_a_body_that_does_not_arrive_in_time_is_408(
    site_in_process: Site, settings: Settings, endless: bytes
) -> None:
    head = (BODY_HEAD % site_in_process.key).replace("100", "1000000").encode()
    async with serve(settings, http_head_seconds=LONG, http_body_seconds=0.4) as address:
        received = await asyncio.wait_for((await connect(address)).send(head, endless), 20)
        assert received.startswith(b"HTTP/1.1 408"), received


async def test_requests_in_time_are_not_interrupted(
    site_in_process: Site, settings: Settings
) -> None:
    """Three requests on one connection take longer than each limit, and none is late."""
    body = b'{"message": "hello"}'
    head = (BODY_HEAD % site_in_process.key).replace("100", str(len(body))).encode()
    async with serve(settings, http_head_seconds=1, http_body_seconds=1) as address:
        reader, writer = await asyncio.open_connection(*address)
        for _ in range(3):
            for part in (head[:40], head[40:], body[:5], body[5:]):
                writer.write(part)
                await asyncio.wait([asyncio.create_task(asyncio.Event().wait())], timeout=0.15)
            answer = await asyncio.wait_for(reader.readuntil(b"}"), 20)
            assert answer.startswith(b"HTTP/1.1 200"), answer
            await asyncio.wait_for(_read_rest(reader, answer), 20)
        writer.close()


async def _read_rest(reader: asyncio.StreamReader, answer: bytes) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    await reader.readexactly(int(fields[b"content-length"]) - len(body))


async def test_headers_without_end_are_431(settings: Settings) -> None:
    line = b"X-More: " + b"a" * 1000 + b"\r\n"
    async with serve(settings, http_head_seconds=LONG, http_body_seconds=LONG) as address:
        start = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
        received = await asyncio.wait_for((await connect(address)).send(start, line), 20)
        assert received.startswith(b"HTTP/1.1 431"), received
        within = await (await connect(address)).send(
            start + line * (MAX_HEAD_BYTES // len(line) - 1) + b"Connection: close\r\n\r\n"
        )
        assert within.startswith(b"HTTP/1.1 200"), within


@pytest.mark.parametrize("path", ["/readyz", "/metrics"])
async def test_readiness_and_metrics_are_not_on_the_public_port(
    site_in_process: Site, path: str
) -> None:
    response: Any = await site_in_process.client.get(path)
    assert response.status_code == 404
    assert (await site_in_process.client.get("/healthz")).status_code == 200
