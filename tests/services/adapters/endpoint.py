"""A small OpenAI-compatible server on 127.0.0.1 with the responses that a test sets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass
class Endpoint:
    """The responses to send, in order (the last one repeatedly), and the requests received."""

    responses: list[bytes] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    port: int = 0
    silent: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def reply_with(self, *contents: object) -> None:
        self.responses = [completion(content) for content in contents]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
            self.requests.append(
                orjson.loads(await reader.readexactly(int(headers["content-length"])))
            )
            self.headers.append(dict(line.split(": ", 1) for line in head[1:] if ": " in line))
            self.paths.append(head[0].split(" ")[1])
            if self.silent:
                await reader.read()
                return
            writer.write(self.responses.pop(0) if len(self.responses) > 1 else self.responses[0])
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def completion(content: object) -> bytes:
    """Return the response of a chat completion with this content."""
    return plain(
        orjson.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]})
    )


def plain(body: bytes, status: str = "200 OK") -> bytes:
    """Return an HTTP response with this body."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


@asynccontextmanager
async def listening() -> AsyncIterator[Endpoint]:
    endpoint = Endpoint()
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0)
    endpoint.port = server.sockets[0].getsockname()[1]
    try:
        yield endpoint
    finally:
        server.close()
