"""A responder behind an OpenAI-compatible HTTP API: chat completions, no tools.

It has no tool to call, so whatever it says, nothing is booked by it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import orjson
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random

from services.adapters.prompt import messages_of
from services.adapters.responder import LONGEST_ANSWER, NoAnswer, Responder, Response, Turn
from services.adapters.scripted import Scripted
from services.runtime.settings import Settings

TRIES = 2
PAUSE_SECONDS = 0.5
MOST_TOKENS = 500
MOST_BYTES = 256 * 1024
"""Of an endpoint's answer."""


class Busy(NoAnswer):
    """The endpoint did not answer this time: another try may help."""


class OpenAICompatible:
    """Asks an endpoint for the next message of the conversation."""

    def __init__(self, client: httpx2.AsyncClient, model: str, timeout_seconds: float) -> None:
        self._client, self._model, self._timeout_seconds = client, model, timeout_seconds

    async def reply(self, turn: Turn) -> Response:
        """Raises `NoAnswer`."""
        asked = orjson.dumps(
            {
                "model": self._model,
                "messages": messages_of(turn),
                "max_tokens": MOST_TOKENS,
                "stream": False,
            }
        )
        async for attempt in AsyncRetrying(
            stop=stop_after_attempt(TRIES),
            wait=wait_random(0, PAUSE_SECONDS),
            retry=retry_if_exception_type(Busy),
            reraise=True,
        ):
            with attempt:
                return Response(_said(await self._ask(asked)))
        raise Busy("no try was made")

    async def _ask(self, asked: bytes) -> bytes:
        """The endpoint's answer, whole. Raises `NoAnswer`."""
        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                self._client.stream("POST", "chat/completions", content=asked) as answer,
            ):
                if answer.status_code == 429 or answer.status_code >= 500:
                    raise Busy(f"the endpoint answered {answer.status_code}")
                if answer.status_code != 200:
                    raise NoAnswer(f"the endpoint answered {answer.status_code}")
                return await _whole(answer)
        except TimeoutError as error:
            raise Busy(f"no answer within {self._timeout_seconds:g} s") from error
        except httpx2.TransportError as error:
            raise Busy(f"the endpoint is not reachable: {type(error).__name__}") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            raise NoAnswer(f"the endpoint was not understood: {type(error).__name__}") from error


async def _whole(answer: httpx2.Response) -> bytes:
    parts, size = [], 0
    async for part in answer.aiter_bytes():
        size += len(part)
        if size > MOST_BYTES:
            raise NoAnswer(f"the endpoint's answer has more than {MOST_BYTES:,} bytes")
        parts.append(part)
    return b"".join(parts)


def _said(answer: bytes) -> str:
    """The text of a chat completion, such as a visitor may be shown. Raises `NoAnswer`."""
    try:
        found: Any = orjson.loads(answer)
        content = found["choices"][0]["message"]["content"]
    except (orjson.JSONDecodeError, LookupError, TypeError):
        raise NoAnswer("the endpoint's answer is no chat completion") from None
    text = content.replace("\x00", "").strip() if isinstance(content, str) else ""
    if not text:
        raise NoAnswer("the endpoint's answer is empty")
    return text if len(text) <= LONGEST_ANSWER else text[: LONGEST_ANSWER - 1].rstrip() + "…"


@asynccontextmanager
async def responding(settings: Settings) -> AsyncIterator[Responder]:
    """The responder that the settings ask for, for the length of a block."""
    if settings.responder_url is None:
        yield Scripted()
        return
    headers = {"Content-Type": "application/json"}
    if settings.responder_api_key is not None:
        headers["Authorization"] = f"Bearer {settings.responder_api_key.get_secret_value()}"
    async with httpx2.AsyncClient(
        base_url=settings.responder_url.rstrip("/") + "/", headers=headers,
        timeout=settings.responder_timeout_seconds,
    ) as client:  # fmt: skip
        yield OpenAICompatible(client, settings.responder_model, settings.responder_timeout_seconds)
