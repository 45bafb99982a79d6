"""The network from which a request came, also behind trusted proxies."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeAlias

from starlette.requests import Request

from services.runtime.logging import get_logger

IPV4_PREFIX, IPV6_PREFIX = 24, 64
MAX_HOPS = 20
UNKNOWN = "unknown"
Address: TypeAlias = IPv4Address | IPv6Address

log = get_logger("networks")


class ClientNetworks:
    """The rule that finds a client's network. `proxies` are the networks of trusted proxies."""

    def __init__(self, proxies: Iterable[str]) -> None:
        self._proxies = [ip_network(proxy, strict=False) for proxy in proxies]
        self._has_warned = False

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
        if any(hops) and not self._is_proxy(address):
            self._warn_once(address)
        while hops and self._is_proxy(address):
            previous = _parse_address(hops.pop())
            if previous is None:
                break
            address = previous
        return _shorten(address)

    def _warn_once(self, peer: Address) -> None:
        """Log that a peer is not trusted: once, because every request may be like this one."""
        if self._has_warned:
            return
        self._has_warned = True
        log.warning(
            "x_forwarded_for.ignored",
            peer_network=_shorten(peer),
            problem="X-Forwarded-For of a peer that is not in CRM_TRUSTED_PROXIES is ignored: if "
            "the peer is your proxy, add its network. Until then all visitors share its limits",
        )

    def _is_proxy(self, address: Address) -> bool:
        return any(address in network for network in self._proxies)


@lru_cache(maxsize=1_024)
def _shorten(address: Address) -> str:
    prefix = IPV4_PREFIX if address.version == 4 else IPV6_PREFIX
    return str(ip_network(f"{address}/{prefix}", strict=False))


@lru_cache(maxsize=1_024)
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
