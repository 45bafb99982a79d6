"""Requests that start, read, take over, answer and release conversations."""

from typing import Any
from uuid import UUID

import httpx2

from tests.services.api.site import Site

CONVERSATIONS = "/api/conversations"


async def start_conversation(site: Site, text: str = "hello", **more: Any) -> tuple[str, str]:
    """Start a conversation; return the ids of its session and of itself."""
    turn = await site.send_chat(text, **more)
    return turn["sessionId"], turn["conversationId"]


async def read(site: Site, profile_id: UUID | None = None, **query: str) -> httpx2.Response:
    await site.project()
    params = {"propertyId": str(site.property_id), **query}
    return await site.client.get(
        CONVERSATIONS, params=params, headers=site.console_headers(profile_id)
    )


async def take_over(
    site: Site, conversation: str, profile_id: UUID | None = None
) -> httpx2.Response:
    return await site.client.post(
        f"{CONVERSATIONS}/{conversation}/takeover", headers=site.console_headers(profile_id)
    )


async def release(site: Site, conversation: str, profile_id: UUID | None = None) -> httpx2.Response:
    return await site.client.delete(
        f"{CONVERSATIONS}/{conversation}/takeover", headers=site.console_headers(profile_id)
    )


async def answer(
    site: Site, conversation: str, content: Any, profile_id: UUID | None = None, **more: Any
) -> httpx2.Response:
    return await site.client.post(
        f"{CONVERSATIONS}/{conversation}/messages",
        json={"content": content, **more},
        headers=site.console_headers(profile_id),
    )


def error_of(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]
