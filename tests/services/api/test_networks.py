"""The network that a request comes from, with and without trusted proxies."""

import pytest
from starlette.requests import Request

from services.api.rate_limit.networks import MAX_HOPS, UNKNOWN, ClientNetworks


def network_of(peer: str | None, *forwarded: str, proxies: tuple[str, ...] = ()) -> str:
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    scope = {"type": "http", "headers": headers, "client": (peer, 1) if peer else None}
    return ClientNetworks(proxies).network_of(Request(scope))


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
