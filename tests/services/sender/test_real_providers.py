"""Messages on their whole way: from the plan to a server, and back by its callbacks and links."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import asyncpg
import httpx2
import pytest

from events.deliveries import DeliveryChannel, MessageClass
from services.adapters.providers import open_providers
from services.api.provider_signatures import SMS_SIGNATURE, sign_sms_callback
from services.runtime.settings import Settings
from tests.services.adapters.provider_servers import (
    HttpServer,
    Mode,
    SmtpServer,
    http_server,
    smtp_server,
)
from tests.services.adapters.test_provider_contract import use_sms, use_smtp
from tests.services.api.site import open_api
from tests.services.sender.outbox import LEASE_SECONDS, PHONE, Outbox, make_outbox


@dataclass
class Way:
    """A sender with real providers, their servers, and the API that these call."""

    outbox: Outbox
    mail: SmtpServer
    web: HttpServer
    client: httpx2.AsyncClient
    settings: Settings

    async def call_back(self, status: str, number: int = -1) -> None:
        """Report a status at the URL that the request for an SMS named."""
        posted = [request for request in self.web.requests if request.method == "POST"]
        url = posted[number].form["StatusCallback"]
        form = {"MessageSid": "SM1", "MessageStatus": status, "AccountSid": "AC1"}
        token = self.settings.sms_auth_token
        assert token is not None
        headers = {SMS_SIGNATURE: sign_sms_callback(token, url, form.items())}
        response = await self.client.post(urlsplit(url).path, data=form, headers=headers)
        assert response.status_code == 200, response.text


@pytest.fixture
async def way(settings: Settings, pool: asyncpg.Pool) -> AsyncIterator[Way]:
    outbox = await make_outbox(pool)
    async with smtp_server() as mail, http_server() as web:
        configured = use_sms(use_smtp(settings, mail.port), web.port)
        providers = open_providers(configured)
        outbox.providers = dict(providers)  # type: ignore[arg-type]
        async with open_api(configured, clock=outbox.clock) as client:
            yield Way(outbox, mail, web, client, configured)
        for provider in providers.values():
            await provider.close()


async def test_an_email_can_be_unsubscribed_with_its_own_header(way: Way) -> None:
    outbox = way.outbox
    first = await outbox.plan(DeliveryChannel.EMAIL, message_class=MessageClass.MARKETING)
    await outbox.send(first)
    (email,) = way.mail.stored
    assert str(first) in email["Message-ID"]
    link = urlsplit(email["List-Unsubscribe"].strip("<>")).path
    assert (await way.client.get(link)).status_code == 200
    name, _, value = email["List-Unsubscribe-Post"].partition("=")
    assert (await way.client.post(link, data={name: value})).status_code == 200
    second = await outbox.plan(DeliveryChannel.EMAIL, message_class=MessageClass.MARKETING)
    await outbox.send(second)
    assert await outbox.steps(first) == ["planned", "claimed", "handed_over"]
    assert await outbox.steps(second) == ["planned", "skipped no_consent"]
    assert len(way.mail.stored) == 1


async def test_an_sms_is_reported_at_the_url_that_its_request_named(way: Way) -> None:
    message = await way.outbox.plan()
    await way.outbox.send(message)
    for status in ("delivered", "sent", "delivered"):
        await way.call_back(status)
    assert await way.outbox.steps(message) == ["planned", "claimed", "handed_over", "delivered"]
    assert [(sms["to"], sms["body"]) for sms in way.web.stored] == [(PHONE, "Hello")]


@pytest.mark.parametrize("mode", [Mode.DROP, Mode.FAIL_AFTER_STORING, Mode.LATE])
async def test_an_sms_without_an_answer_is_found_and_never_repeated(way: Way, mode: Mode) -> None:
    way.web.mode = mode
    message = await way.outbox.plan()
    await way.outbox.send(message)
    way.web.mode = Mode.ACCEPT
    for _ in range(2):
        way.outbox.pass_time(seconds=LEASE_SECONDS + 1)
        await way.outbox.send(message)
    assert await way.outbox.steps(message) == ["planned", "claimed", "unknown", "reconciled"]
    assert way.web.posted == 1


@pytest.mark.parametrize("mode", [Mode.DROP, Mode.FAIL_AFTER_STORING, Mode.LATE])
async def test_an_email_without_an_answer_is_never_repeated(way: Way, mode: Mode) -> None:
    way.mail.mode = mode
    message = await way.outbox.plan(DeliveryChannel.EMAIL)
    await way.outbox.send(message)
    way.mail.mode = Mode.ACCEPT
    for _ in range(2):
        way.outbox.pass_time(seconds=LEASE_SECONDS + 1)
        await way.outbox.send(message)
    assert await way.outbox.steps(message) == ["planned", "claimed", "unknown"]
    assert len(way.mail.stored) == 1


async def test_a_callback_settles_an_sms_before_it_is_looked_up(way: Way) -> None:
    way.web.mode = Mode.DROP
    message = await way.outbox.plan()
    await way.outbox.send(message)
    await way.call_back("delivered")
    way.outbox.pass_time(seconds=LEASE_SECONDS + 1)
    await way.outbox.send(message)
    assert await way.outbox.steps(message) == ["planned", "claimed", "handed_over", "delivered"]
    assert way.web.posted == 1


@pytest.mark.parametrize("channel", [DeliveryChannel.SMS, DeliveryChannel.EMAIL])
async def test_a_busy_server_gets_the_message_later_and_once(
    way: Way, channel: DeliveryChannel
) -> None:
    way.web.mode = way.mail.mode = Mode.BUSY
    message = await way.outbox.plan(channel)
    await way.outbox.send(message)
    way.web.mode = way.mail.mode = Mode.ACCEPT
    way.outbox.pass_time(minutes=10)
    await way.outbox.send(message)
    assert await way.outbox.steps(message) == [
        "planned",
        "claimed",
        "released",
        "claimed",
        "handed_over",
    ]
    assert len(way.web.stored) + len(way.mail.stored) == 1
