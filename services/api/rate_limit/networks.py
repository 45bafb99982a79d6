"""Where a request came from: a network, by the peer's address or by what trusted proxies say."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeAlias

from starlette.requests import Request

IPV4_PREFIX, IPV6_PREFIX = 24, 64
MOST_HOPS = 20
UNKNOWN = "unknown"
Address: TypeAlias = IPv4Address | IPv6Address


class Sources:
    """Knows whose X-Forwarded-For counts: `proxies` are networks."""

    def __init__(self, proxies: Iterable[str]) -> None:
        self._proxies = [ip_network(one, strict=False) for one in proxies]

    def of(self, request: Request) -> str:
        """The network: /24 of IPv4, /64 of IPv6.

        Behind a trusted proxy it is that of the nearest address in X-Forwarded-For that is no
        trusted proxy itself: what stands further away, the client may have made up.
        """
        address = _address(request.client.host) if request.client else None
        if address is None:
            return UNKNOWN
        hops = ",".join(request.headers.getlist("x-forwarded-for")).split(",")[-MOST_HOPS:]
        while hops and self._is_proxy(address):
            nearer = _address(hops.pop())
            if nearer is None:
                break
            address = nearer
        prefix = IPV4_PREFIX if address.version == 4 else IPV6_PREFIX
        return str(ip_network(f"{address}/{prefix}", strict=False))

    def _is_proxy(self, address: Address) -> bool:
        return any(address in network for network in self._proxies)


def _address(text: str) -> Address | None:
    """An address, which some proxies write with its port; IPv4 within IPv6 is IPv4."""
    said = text.strip()
    if said.startswith("["):
        said = said[1:].partition("]")[0]
    elif said.count(":") == 1:
        said = said.partition(":")[0]
    try:
        found = ip_address(said.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
