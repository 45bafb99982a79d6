"""One HTTP request to a provider, and what its failures prove."""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

import httpx2

from services.adapters.provider import HandOverUnknown, NotHandedOver

MAX_RESPONSE_BYTES = 256 * 1024
_BUSY = (429, 503)
_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_LIMITS = httpx2.Limits(max_keepalive_connections=0)
"""Each request has a connection of its own.

A kept connection can break while the next request is being written, which leaves it unknown whether
the request arrived. It can also contain a second answer to the request before.
"""


class HttpAnswer(NamedTuple):
    """The answer of a provider. `body` is its beginning if it is longer than the limit."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def open_client(
    timeout_seconds: float, *, verify: bool = True, trust_environment: bool = True
) -> httpx2.AsyncClient:
    """Return a client without redirects, kept connections and cookies between requests."""
    return httpx2.AsyncClient(
        timeout=timeout_seconds, limits=_LIMITS, follow_redirects=False, verify=verify,
        trust_env=trust_environment,
    )  # fmt: skip


async def send_once(
    client: httpx2.AsyncClient, request: httpx2.Request, timeout_seconds: float
) -> HttpAnswer | NotHandedOver:
    """Send a request once and return its answer.

    `NotHandedOver`: no connection was made, or the provider answered that it is busy. Raises
    `HandOverUnknown` for a failure after the connection, and for an answer that proves nothing
    (a status of 500 or above: the provider may have stored the message before it failed).
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            response = await client.send(request, stream=True)
            try:
                answer = HttpAnswer(response.status_code, response.headers, await _read(response))
            finally:
                await response.aclose()
    except _NEVER_SENT as error:
        return NotHandedOver("unreachable", f"no connection: {type(error).__name__}")
    except (httpx2.HTTPError, httpx2.StreamError, TimeoutError) as error:
        raise HandOverUnknown(f"no answer: {type(error).__name__}") from error
    if answer.status in _BUSY:
        seconds = _retry_after(answer.headers)
        return NotHandedOver("busy", f"the provider answered {answer.status}", seconds)
    if answer.status >= 500:
        raise HandOverUnknown(f"the provider answered {answer.status}")
    return answer


async def _read(response: httpx2.Response) -> bytes:
    parts, size = [], 0
    async for part in response.aiter_bytes():
        parts.append(part)
        size += len(part)
        if size >= MAX_RESPONSE_BYTES:
            break
    return b"".join(parts)[:MAX_RESPONSE_BYTES]


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of Retry-After; None if it is absent or a date."""
    text = headers.get("retry-after", "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 8 else None
