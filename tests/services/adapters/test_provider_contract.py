"""The contract of every provider, against real servers on this machine that misbehave."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr

from events.deliveries import DeliveryChannel, MessageClass
from services.adapters.file_provider import FileProvider
from services.adapters.provider import (
    OPTED_OUT,
    UNKNOWN_ADDRESS,
    Accepted,
    Finding,
    HandOverUnknown,
    NotHandedOver,
    OutgoingMessage,
    Provider,
    Rejected,
)
from services.adapters.providers import open_providers
from services.local_stack.ports import free_port
from services.runtime.settings import Settings
from tests.services.adapters.provider_servers import (
    HttpServer,
    Mode,
    SmtpServer,
    http_server,
    smtp_server,
)

TIMEOUT_SECONDS = 0.6
WEBHOOK_SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KINDS = ("smtp", "sms", "webhook", "file", "simulated")
REMOTE = ("smtp", "sms", "webhook")


@dataclass
class Subject:
    """A provider with the server that it talks to; `count` gives the messages that got there."""

    provider: Provider
    message: OutgoingMessage
    count: Callable[[], int]
    set_mode: Callable[[Mode], None]
    settings: Settings

    def reopen(self, timeout_seconds: float) -> Provider:
        """Return the same provider with another time-out."""
        names = [name for name in Settings.model_fields if name.endswith("_timeout_seconds")]
        changed = self.settings.model_copy(update=dict.fromkeys(names, timeout_seconds))
        return open_providers(changed)[self.message.channel]


def make_message(channel: DeliveryChannel, recipient: str) -> OutgoingMessage:
    return OutgoingMessage(
        delivery_id=uuid4(), attempt=1, org_id=uuid4(), property_id=uuid4(), channel=channel,
        message_class=MessageClass.MARKETING, recipient=recipient,
        body='{"text": "Hi Ada"}', subject="Hello", sender_name="The Alder",
        postal_address="1 Main St, Troy", unsubscribe_path="/unsubscribe/abc",
    )  # fmt: skip


def with_providers(settings: Settings, **changes: object) -> Settings:
    seconds = {
        "smtp_timeout_seconds": TIMEOUT_SECONDS, "sms_timeout_seconds": TIMEOUT_SECONDS,
        "webhook_timeout_seconds": TIMEOUT_SECONDS,
    }  # fmt: skip
    return settings.model_copy(update=seconds | changes)


def use_smtp(settings: Settings, port: int, **changes: object) -> Settings:
    return with_providers(
        settings,
        **{
            "smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none",
            "smtp_sender": "office@alder.example",
            "public_url": "https://crm.example/",
        } | changes,
    )  # fmt: skip


def use_sms(settings: Settings, port: int, **changes: object) -> Settings:
    return with_providers(
        settings,
        **{
            "sms_url": f"http://127.0.0.1:{port}", "sms_account": "AC1",
            "sms_auth_token": SecretStr("0123456789abcdef"), "sms_sender": "+12025550100",
            "public_url": "https://crm.example",
        } | changes,
    )  # fmt: skip


def use_webhook(settings: Settings, **changes: object) -> Settings:
    secret = SecretStr(WEBHOOK_SECRET)
    return with_providers(
        settings, **{"webhook_secret": secret, "webhook_loopback": True} | changes
    )


@asynccontextmanager
async def open_subject(kind: str, settings: Settings, tmp_path: Path) -> AsyncIterator[Subject]:
    """Open a provider with its server."""
    if kind == "smtp":
        async with smtp_server() as mail:
            message = make_message(DeliveryChannel.EMAIL, "ada@lovelace.example")
            configured = use_smtp(settings, mail.port)
            async with opened(configured, message, lambda: len(mail.stored), mail) as subject:
                yield subject
    elif kind in ("sms", "webhook"):
        async with http_server() as web:
            if kind == "sms":
                message = make_message(DeliveryChannel.SMS, "+12025550142")
                configured = use_sms(settings, web.port)
            else:
                message = make_message(DeliveryChannel.WEBHOOK, f"{web.url}/hook?x=1")
                configured = use_webhook(settings)
            async with opened(configured, message, lambda: len(web.stored), web) as subject:
                yield subject
    else:
        path = tmp_path / "messages"
        configured = with_providers(settings, **({"message_file": path} if kind == "file" else {}))
        message = make_message(DeliveryChannel.SMS, "+12025550142")
        async with opened(configured, message, lambda: count_lines(path), None) as subject:
            yield subject


@asynccontextmanager
async def opened(
    settings: Settings,
    message: OutgoingMessage,
    count: Callable[[], int],
    server: HttpServer | SmtpServer | None,
) -> AsyncIterator[Subject]:
    def set_mode(mode: Mode) -> None:
        assert server is not None
        server.mode = mode

    provider = open_providers(settings)[message.channel]
    yield Subject(provider, message, count, set_mode, settings)
    await provider.close()


def count_lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.fixture(params=KINDS)
async def subject(
    request: pytest.FixtureRequest, bare_settings: Settings, tmp_path: Path
) -> AsyncIterator[Subject]:
    async with open_subject(request.param, bare_settings, tmp_path) as subject:
        yield subject


@pytest.fixture(params=REMOTE)
async def remote(
    request: pytest.FixtureRequest, bare_settings: Settings, tmp_path: Path
) -> AsyncIterator[Subject]:
    async with open_subject(request.param, bare_settings, tmp_path) as subject:
        yield subject


async def test_a_message_is_handed_over_with_one_request(subject: Subject) -> None:
    result = await subject.provider.hand_over(subject.message)
    assert isinstance(result, Accepted)
    expected = 0 if subject.provider.name == "simulated" else 1
    assert subject.count() == expected
    assert subject.provider.channel is subject.message.channel


async def test_only_a_provider_that_reaches_a_person_is_not_simulated(subject: Subject) -> None:
    is_remote = subject.provider.name in ("smtp", "twilio", "webhook")
    assert subject.provider.is_simulated is not is_remote


async def test_a_look_up_sends_nothing(subject: Subject) -> None:
    await subject.provider.hand_over(subject.message)
    before = subject.count()
    found = await subject.provider.look_up(subject.message, datetime.now(UTC))
    assert found.finding in Finding
    assert subject.count() == before


async def test_a_look_up_of_a_message_never_sent_finds_no_delivery(subject: Subject) -> None:
    found = await subject.provider.look_up(subject.message, datetime.now(UTC))
    assert found.finding in (Finding.NEVER_RECEIVED, Finding.NOT_KNOWN)


async def test_a_refusal_is_final(remote: Subject) -> None:
    remote.set_mode(Mode.REFUSE)
    result = await remote.provider.hand_over(remote.message)
    assert isinstance(result, Rejected)
    assert remote.message.recipient not in result.reason
    assert remote.count() == 0


@pytest.mark.parametrize("kind", ["smtp", "sms"])
async def test_a_recipient_who_does_not_exist_has_a_code_of_its_own(
    kind: str, bare_settings: Settings, tmp_path: Path
) -> None:
    async with open_subject(kind, bare_settings, tmp_path) as subject:
        subject.set_mode(Mode.UNKNOWN_RECIPIENT)
        result = await subject.provider.hand_over(subject.message)
    assert isinstance(result, Rejected)
    assert result.code == UNKNOWN_ADDRESS


async def test_a_busy_provider_certainly_got_nothing(remote: Subject) -> None:
    remote.set_mode(Mode.BUSY)
    assert isinstance(await remote.provider.hand_over(remote.message), NotHandedOver)
    assert remote.count() == 0
    remote.set_mode(Mode.ACCEPT)
    assert isinstance(await remote.provider.hand_over(remote.message), Accepted)
    assert remote.count() == 1


@pytest.mark.parametrize("mode", [Mode.DROP, Mode.LATE, Mode.FAIL_AFTER_STORING, Mode.GARBAGE])
async def test_a_message_that_may_have_arrived_is_unknown_and_not_repeated(
    remote: Subject, mode: Mode
) -> None:
    remote.set_mode(mode)
    with pytest.raises(HandOverUnknown):
        await remote.provider.hand_over(remote.message)
    assert remote.count() == 1


async def test_an_answer_within_a_longer_time_out_is_accepted(
    remote: Subject, bare_settings: Settings
) -> None:
    remote.set_mode(Mode.LATE)
    remote.provider = remote.reopen(5.0)
    assert isinstance(await remote.provider.hand_over(remote.message), Accepted)
    await remote.provider.close()


async def test_an_answer_that_comes_twice_is_not_the_answer_to_the_next_message(
    remote: Subject,
) -> None:
    remote.set_mode(Mode.TWICE)
    assert isinstance(await remote.provider.hand_over(remote.message), Accepted)
    remote.set_mode(Mode.REFUSE)
    other = replace(remote.message, delivery_id=uuid4())
    assert isinstance(await remote.provider.hand_over(other), Rejected)
    assert remote.count() == 1


@pytest.mark.parametrize("kind", REMOTE)
async def test_a_refused_connection_is_proven(kind: str, bare_settings: Settings) -> None:
    port = free_port()
    configured = use_webhook(use_sms(use_smtp(bare_settings, port), port))
    recipient = {
        "smtp": (DeliveryChannel.EMAIL, "ada@lovelace.example"),
        "sms": (DeliveryChannel.SMS, "+12025550142"),
        "webhook": (DeliveryChannel.WEBHOOK, f"http://127.0.0.1:{port}/"),
    }[kind]
    message = make_message(*recipient)
    provider = open_providers(configured)[message.channel]
    assert isinstance(await provider.hand_over(message), NotHandedOver)
    await provider.close()


async def test_a_channel_without_a_provider_is_simulated(bare_settings: Settings) -> None:
    providers = open_providers(bare_settings)
    assert providers.keys() == set(DeliveryChannel)
    assert {provider.name for provider in providers.values()} == {"simulated"}


async def test_a_file_that_cannot_be_written_got_nothing(tmp_path: Path) -> None:
    provider = FileProvider(DeliveryChannel.SMS, tmp_path / "no directory" / "messages")
    message = make_message(DeliveryChannel.SMS, "+12025550142")
    assert isinstance(await provider.hand_over(message), NotHandedOver)


def test_the_codes_that_become_events_are_stable() -> None:
    assert (OPTED_OUT, UNKNOWN_ADDRESS) == ("opted_out", "unknown_address")
