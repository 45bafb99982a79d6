"""The network from which a request came, also behind trusted proxies."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeAlias

from starlette.requests import Request

IPV4_PREFIX, IPV6_PREFIX = 24, 64
MAX_HOPS = 20
UNKNOWN = "unknown"
Address: TypeAlias = IPv4Address | IPv6Address


class ClientNetworks:
    """The rule that finds a client's network. `proxies` are the networks of trusted proxies."""

    def __init__(self, proxies: Iterable[str]) -> None:
        self._proxies = [ip_network(proxy, strict=False) for proxy in proxies]

    def network_of(self, request: Request) -> str:
        """Return the network as text: /24 of IPv4, /64 of IPv6.

        Each proxy appends the address that it saw to X-Forwarded-For. Read from the right, the
        first address that is not a trusted proxy is the client's. The client may have invented
        all addresses to the left of it.
        """
        address = _parse_address(request.client.host) if request.client else None
        if address is None:
            return UNKNOWN
        hops = ",".join(request.headers.getlist("x-forwarded-for")).split(",")[-MAX_HOPS:]
        while hops and self._is_proxy(address):
            previous = _parse_address(hops.pop())
            if previous is None:
                break
            address = previous
        prefix = IPV4_PREFIX if address.version == 4 else IPV6_PREFIX
        return str(ip_network(f"{address}/{prefix}", strict=False))

    def _is_proxy(self, address: Address) -> bool:
        return any(address in network for network in self._proxies)


def _parse_address(text: str) -> Address | None:
    """Return an address, with or without port; IPv4 inside IPv6 as IPv4. None if malformed."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
