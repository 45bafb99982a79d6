"""A responder that uses a language model with an OpenAI-compatible HTTP API.

The model has no tools, so no reply of it can book anything.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import orjson
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random

from services.adapters.prompt import build_messages
from services.adapters.responder import (
    MAX_REPLY_CHARACTERS,
    NoReply,
    Responder,
    ResponderReply,
    ResponderRequest,
)
from services.adapters.scripted_responder import ScriptedResponder
from services.runtime.settings import Settings

ATTEMPTS = 2
PAUSE_SECONDS = 0.5
MAX_TOKENS = 500
MAX_RESPONSE_BYTES = 256 * 1024


class EndpointBusy(NoReply):
    """The endpoint failed in a way that may not happen again: another attempt is made."""


class ModelResponder:
    """A responder that asks an HTTP endpoint for a chat completion."""

    def __init__(self, client: httpx2.AsyncClient, model: str, timeout_seconds: float) -> None:
        self._client, self._model, self._timeout_seconds = client, model, timeout_seconds

    async def reply(self, request: ResponderRequest) -> ResponderReply:
        """Return the model's reply. Raises `NoReply`."""
        body = orjson.dumps(
            {
                "model": self._model,
                "messages": build_messages(request),
                "max_tokens": MAX_TOKENS,
                "stream": False,
            }
        )
        async for attempt in AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random(0, PAUSE_SECONDS),
            retry=retry_if_exception_type(EndpointBusy),
            reraise=True,
        ):
            with attempt:
                return ResponderReply(_parse_reply(await self._post(body)))
        raise EndpointBusy("no attempt was made")

    async def _post(self, body: bytes) -> bytes:
        """Return the complete body of the endpoint's response. Raises `NoReply`."""
        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                self._client.stream("POST", "chat/completions", content=body) as response,
            ):
                if response.status_code == 429 or response.status_code >= 500:
                    raise EndpointBusy(f"the endpoint returned {response.status_code}")
                if response.status_code != 200:
                    raise NoReply(f"the endpoint returned {response.status_code}")
                return await _read(response)
        except TimeoutError as error:
            raise EndpointBusy(f"no response within {self._timeout_seconds:g} s") from error
        except httpx2.TransportError as error:
            raise EndpointBusy(f"the endpoint cannot be reached: {type(error).__name__}") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            raise NoReply(f"the response is not valid HTTP: {type(error).__name__}") from error


async def _read(response: httpx2.Response) -> bytes:
    parts, size = [], 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > MAX_RESPONSE_BYTES:
            raise NoReply(f"the response has more than {MAX_RESPONSE_BYTES:,} bytes")
        parts.append(part)
    return b"".join(parts)


def _parse_reply(response: bytes) -> str:
    """Return the text of a chat completion, shortened if necessary. Raises `NoReply`."""
    try:
        completion: Any = orjson.loads(response)
        content = completion["choices"][0]["message"]["content"]
    except (orjson.JSONDecodeError, LookupError, TypeError):
        raise NoReply("the response is not a chat completion") from None
    text = content.replace("\x00", "").strip() if isinstance(content, str) else ""
    if not text:
        raise NoReply("the reply of the model is empty")
    if len(text) <= MAX_REPLY_CHARACTERS:
        return text
    return text[: MAX_REPLY_CHARACTERS - 1].rstrip() + "…"


@asynccontextmanager
async def open_responder(settings: Settings) -> AsyncIterator[Responder]:
    """Open the responder that the settings choose: a model if they have an URL, else the script."""
    if settings.responder_url is None:
        yield ScriptedResponder()
        return
    headers = {"Content-Type": "application/json"}
    if settings.responder_api_key is not None:
        headers["Authorization"] = f"Bearer {settings.responder_api_key.get_secret_value()}"
    async with httpx2.AsyncClient(
        base_url=settings.responder_url.rstrip("/") + "/", headers=headers,
        timeout=settings.responder_timeout_seconds,
    ) as client:  # fmt: skip
        yield ModelResponder(client, settings.responder_model, settings.responder_timeout_seconds)
