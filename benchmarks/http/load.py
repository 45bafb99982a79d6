"""The load generator: connections that send one request after the other, in a process of its own.

It writes prepared bytes and looks only for the end of each response, so that it is cheap beside the
servers that are measured.
"""

import asyncio
import re
import time
from functools import partial
from typing import Any

from benchmarks.http.jobs import Target, make_requests

HOST = "127.0.0.1"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"


class LoadConnection(asyncio.Protocol):
    """A connection that sends its requests in turn; `done` is set after the last response."""

    def __init__(self, requests: list[bytes]) -> None:
        self.requests = requests
        self.milliseconds: list[float] = []
        self.statuses: dict[int, int] = {}
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._buffer = b""
        self._end = 0
        """The length of the current response; 0 until its head is complete."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._end and (head := self._buffer.find(_HEAD_END)) >= 0:
            length = _LENGTH.search(self._buffer, 0, head)
            self._end = head + len(_HEAD_END) + (int(length[1]) if length else 0)
        if self._end and len(self._buffer) >= self._end:
            self._finish_response()

    def _send(self) -> None:
        self._started = time.perf_counter()
        self._transport.write(self.requests[len(self.milliseconds)])

    def _finish_response(self) -> None:
        self.milliseconds.append(1_000 * (time.perf_counter() - self._started))
        status = int(self._buffer[9:12])
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self._buffer, self._end = b"", 0
        if len(self.milliseconds) == len(self.requests):
            self.done.set_result(None)
            self._transport.close()
        else:
            self._send()


async def load(port: int, requests: list[list[bytes]]) -> dict[str, Any]:
    """Send the requests of each connection; return seconds, milliseconds and count by status."""
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    connections = [
        (await loop.create_connection(partial(LoadConnection, part), HOST, port))[1]
        for part in requests
        if part
    ]
    await asyncio.gather(*(connection.done for connection in connections))
    seconds = time.perf_counter() - started
    statuses: dict[int, int] = {}
    for connection in connections:
        for status, count in connection.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
    milliseconds = [value for connection in connections for value in connection.milliseconds]
    return {"seconds": seconds, "milliseconds": milliseconds, "statuses": statuses}


async def load_job(
    port: int, job: str, target: Target, connections: int, count: int, part: str
) -> dict[str, Any]:
    """Send `count` requests of a job. Raise `RuntimeError` unless each gets the status 200."""
    result = await load(port, make_requests(job, target, connections, count, part))
    if list(result["statuses"]) != [200]:
        raise RuntimeError(f"{job} on port {port}: responses by status are {result['statuses']}")
    return result
