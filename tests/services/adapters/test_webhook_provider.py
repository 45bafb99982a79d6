"""Webhooks: the signature, the stable id, and no redirects."""

import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from events.deliveries import DeliveryChannel
from services.adapters.provider import Accepted, NotHandedOver, OutgoingMessage, Rejected
from services.adapters.webhook_provider import WebhookProvider
from services.runtime.settings import Settings
from tests.services.adapters.provider_servers import HttpServer, Mode, http_server
from tests.services.adapters.test_provider_contract import (
    WEBHOOK_SECRET,
    make_message,
    use_webhook,
)


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    async with http_server() as running:
        yield running


@pytest.fixture
def message(server: HttpServer) -> OutgoingMessage:
    body = '{"lead": "Ädä", "list": [1, 2]}'
    return replace(make_message(DeliveryChannel.WEBHOOK, f"{server.url}/hook?x=1#y"), body=body)


async def post(settings: Settings, message: OutgoingMessage, **changes: Any) -> object:
    provider = WebhookProvider(use_webhook(settings, **changes))
    try:
        return await provider.hand_over(message)
    finally:
        await provider.close()


async def test_a_receiver_verifies_the_webhook_with_the_library_of_the_specification(
    server: HttpServer, bare_settings: Settings, message: OutgoingMessage
) -> None:
    assert isinstance(await post(bare_settings, message), Accepted)
    request = server.requests[0]
    verified = Webhook(WEBHOOK_SECRET).verify(request.body, request.headers)
    assert verified == {"lead": "Ädä", "list": [1, 2]}
    assert request.headers["content-type"] == "application/json"
    assert (request.method, request.path) == ("POST", "/hook?x=1")
    with pytest.raises(WebhookVerificationError):
        Webhook(WEBHOOK_SECRET).verify(request.body + b" ", request.headers)


async def test_every_attempt_has_the_same_id(
    server: HttpServer, bare_settings: Settings, message: OutgoingMessage
) -> None:
    for attempt in (1, 2):
        await post(bare_settings, replace(message, attempt=attempt))
    assert [request.headers["webhook-id"] for request in server.requests] == [
        f"msg_{message.delivery_id.hex}"
    ] * 2


async def test_a_redirect_is_not_followed(
    server: HttpServer, bare_settings: Settings, message: OutgoingMessage
) -> None:
    server.mode = Mode.REDIRECT
    assert await post(bare_settings, message) == Rejected("http_307", "the receiver answered 307")
    assert len(server.requests) == 1


async def test_the_connection_is_made_to_the_address_that_was_checked(
    server: HttpServer,
    bare_settings: Settings,
    message: OutgoingMessage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The resolver would give another address the second time, as an attacker's does."""
    look_ups = answer_look_ups(monkeypatch, ["127.0.0.1"], ["127.0.0.99"])
    named = replace(message, recipient=f"http://rebinding.example:{server.port}/hook")
    assert isinstance(await post(bare_settings, named), Accepted)
    assert look_ups == ["rebinding.example"]
    assert server.requests[0].headers["host"] == f"rebinding.example:{server.port}"


async def test_a_host_without_an_address_is_tried_again_later(
    bare_settings: Settings, message: OutgoingMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_look_ups(monkeypatch)
    unknown = replace(message, recipient="https://nowhere.example/")
    assert isinstance(await post(bare_settings, unknown), NotHandedOver)


async def test_a_proxy_of_the_environment_is_not_used(
    server: HttpServer,
    bare_settings: Settings,
    message: OutgoingMessage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A proxy would resolve the name again."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert isinstance(await post(bare_settings, message), Accepted)


def answer_look_ups(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Replace the system's resolver; return the list of the names that are looked up."""
    remaining, names = list(answers), []

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        name = host.decode() if isinstance(host, bytes) else host
        names.append(name)
        if not remaining:
            raise socket.gaierror(socket.EAI_NONAME, "unknown name")
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in remaining.pop(0)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names
