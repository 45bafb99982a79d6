"""Webhooks to addresses inside the network of the core: none of them gets a request."""

from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_address

import pytest

from events.deliveries import DeliveryChannel
from services.adapters.provider import Rejected
from services.adapters.web_addresses import ForbiddenAddress, is_public, resolve
from services.adapters.webhook_provider import WebhookProvider
from services.runtime.settings import Settings
from tests.services.adapters.provider_servers import HttpServer, http_server
from tests.services.adapters.test_provider_contract import make_message, use_webhook
from tests.services.adapters.test_webhook_provider import answer_look_ups

MESSAGE = make_message(DeliveryChannel.WEBHOOK, "https://hooks.example/")

PRIVATE = (
    # IANA, IPv4 special-purpose address registry
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.8.9.10", "169.254.169.254",
    "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.168.1.1", "198.18.0.1",
    "198.51.100.7", "203.0.113.9", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    # IANA, IPv6 special-purpose address registry
    "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::7f00:1", "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::",
    "fc00::1", "fd12:3456::1", "fe80::1", "fec0::1", "ff02::1",
)  # fmt: skip
PUBLIC = ("8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::808:808")


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_recognised(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_recognised(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    async with http_server() as running:
        yield running


@pytest.mark.parametrize(
    "form",
    [
        "http://127.0.0.1:{port}/", "https://127.0.0.1:{port}/", "http://localhost:{port}/",
        "http://2130706433:{port}/", "http://0x7f000001:{port}/", "http://127.1:{port}/",
        "http://0177.0.0.1:{port}/", "http://[::1]:{port}/", "http://[::ffff:127.0.0.1]:{port}/",
        "http://①②⑦.0.0.1:{port}/", "http://127。0。0。1:{port}/", "http://0:{port}/",
        "http://user@127.0.0.1:{port}/", "http://hooks.example@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}\\@hooks.example/", "ftp://127.0.0.1:{port}/",
        "file:///etc/passwd", "gopher://127.0.0.1:{port}/", "//127.0.0.1:{port}/", "", "http://",
        "http://hooks.example:99999/", "http://[::1", "http://a b/", "https://169.254.169.254/",
    ],
)  # fmt: skip
async def test_no_spelling_of_a_private_address_gets_a_request(
    server: HttpServer, bare_settings: Settings, form: str
) -> None:
    provider = WebhookProvider(use_webhook(bare_settings, webhook_loopback=False))
    message = replace(MESSAGE, recipient=form.format(port=server.port))
    result = await provider.hand_over(message)
    await provider.close()
    assert isinstance(result, Rejected)
    assert result.code == "forbidden_address"
    assert server.requests == []


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["8.8.8.8", "169.254.169.254"], ["::1"]])
async def test_a_name_is_refused_if_one_of_its_addresses_is_private(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    answer_look_ups(monkeypatch, addresses)
    with pytest.raises(ForbiddenAddress):
        await resolve("https://hooks.example/", allow_loopback=False)


async def test_loopback_addresses_are_allowed_where_the_setting_says_so_but_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer_look_ups(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
    allowed = await resolve("http://localhost:8000/", allow_loopback=True)
    assert allowed.network_address == "127.0.0.1"
    with pytest.raises(ForbiddenAddress):
        await resolve("https://hooks.example/", allow_loopback=True)


async def test_a_public_address_needs_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_look_ups(monkeypatch, ["8.8.8.8"], ["8.8.8.8"])
    with pytest.raises(ForbiddenAddress):
        await resolve("http://hooks.example/", allow_loopback=True)
    address = await resolve("https://hooks.example/a?b#c", allow_loopback=False)
    assert (address.url, address.host_header) == ("https://8.8.8.8:443/a?b", "hooks.example")
