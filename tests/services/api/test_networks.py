"""The network that a request comes from, with and without trusted proxies."""

import pytest
from starlette.requests import Request
from structlog.testing import capture_logs

from services.api.rate_limit.networks import MAX_HOPS, UNKNOWN, ClientNetworks


def make_request(peer: str | None, *forwarded: str) -> Request:
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    client = (peer, 1) if peer else None
    return Request({"type": "http", "headers": headers, "client": client})


def network_of(peer: str | None, *forwarded: str, proxies: tuple[str, ...] = ()) -> str:
    return ClientNetworks(proxies).network_of(make_request(peer, *forwarded))


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"), ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64"), ("fe80::1%eth0", "fe80::/64"),
        ("testclient", UNKNOWN), ("", UNKNOWN), (None, UNKNOWN),
    ],
)  # fmt: skip
def test_an_address_is_reduced_to_its_network(peer: str | None, network: str) -> None:
    assert network_of(peer) == network


def test_forwarded_addresses_are_ignored_without_trusted_proxies() -> None:
    assert network_of("10.0.0.1", "198.51.100.1") == "10.0.0.0/24"
    assert network_of("127.0.0.1", "198.51.100.1") == "127.0.0.0/24"


@pytest.mark.parametrize(
    ("forwarded", "network"),
    [
        (("198.51.100.9",), "198.51.100.0/24"),
        (("6.6.6.6, 198.51.100.9",), "198.51.100.0/24"),
        (("6.6.6.6, 198.51.100.9, 10.0.0.2",), "198.51.100.0/24"),
        (("6.6.6.6", "198.51.100.9,10.0.0.2"), "198.51.100.0/24"),
        (("198.51.100.9:4711",), "198.51.100.0/24"),
        (("[2001:db8::1]:4711",), "2001:db8::/64"),
        (("unknown",), "10.0.0.0/24"),
        (("198.51.100.9, unknown",), "10.0.0.0/24"),
        (("10.0.0.3, 10.0.0.2",), "10.0.0.0/24"),
        (("",), "10.0.0.0/24"),
        (("6.6.6.6" + ", 10.0.0.2" * MAX_HOPS,), "10.0.0.0/24"),
    ],
)  # fmt: skip
def test_the_last_untrusted_address_before_the_trusted_proxies_counts(
    forwarded: tuple[str, ...], network: str
) -> None:
    assert network_of("10.0.0.1", *forwarded, proxies=("10.0.0.0/8",)) == network


def test_a_trusted_proxy_can_be_a_single_ipv4_or_ipv6_address() -> None:
    assert network_of("2001:db8::1", "198.51.100.9", proxies=("2001:db8::1",)) == "198.51.100.0/24"
    assert network_of("2001:db8::2", "198.51.100.9", proxies=("2001:db8::1",)) == "2001:db8::/64"


@pytest.mark.parametrize("proxies", [(), ("192.0.2.0/24",)])
def test_a_forwarded_address_of_an_untrusted_peer_is_logged_once(proxies: tuple[str, ...]) -> None:
    networks = ClientNetworks(proxies)
    with capture_logs() as lines:
        for _ in range(3):
            networks.network_of(make_request("10.0.0.7", "198.51.100.9"))
        networks.network_of(make_request("10.1.0.7", "198.51.100.9"))
    assert [(line["log_level"], line["peer_network"]) for line in lines] == [
        ("warning", "10.0.0.0/24")
    ]
    assert "CRM_TRUSTED_PROXIES" in lines[0]["problem"]
    assert "198.51.100" not in str(lines)


@pytest.mark.parametrize(
    "request_",
    [
        make_request("10.0.0.7", "198.51.100.9"),
        make_request("192.0.2.1"),
        make_request(None, "198.51.100.9"),
    ],
)
def test_nothing_is_logged_without_a_forwarded_address_or_for_a_trusted_peer(
    request_: Request,
) -> None:
    with capture_logs() as lines:
        ClientNetworks(("10.0.0.0/8",)).network_of(request_)
    assert lines == []


def test_a_proxy_s_network_can_be_written_with_the_address_of_a_host() -> None:
    assert network_of("10.0.0.1", "198.51.100.9", proxies=("10.2.3.4/8",)) == "198.51.100.0/24"
