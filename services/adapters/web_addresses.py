"""The address of a webhook: checked, resolved once, and then used as it was checked."""

import asyncio
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from services.deciders.host_names import encode_host

_NAT64, _LOCAL_NAT64 = IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48")
_IPV4_COMPATIBLE = IPv6Network("::/96")
_PROTOCOL_ASSIGNMENTS = IPv4Network("192.0.0.0/24")
"""A network that older versions of Python call global."""


class ForbiddenAddress(ValueError):
    """A web address to which nothing is sent."""


class UnresolvedHost(Exception):
    """A host name without an address now."""


class ResolvedAddress(NamedTuple):
    """A web address and the network address to which the connection is made."""

    scheme: str
    host: str
    port: int
    network_address: str
    target: str

    @property
    def url(self) -> str:
        """Return the URL with the network address in place of the host name."""
        host = self.network_address
        return f"{self.scheme}://{f'[{host}]' if ':' in host else host}:{self.port}{self.target}"

    @property
    def host_header(self) -> str:
        default = {"https": 443, "http": 80}[self.scheme]
        return self.host if self.port == default else f"{self.host}:{self.port}"


async def resolve(url: str, *, allow_loopback: bool) -> ResolvedAddress:
    """Return a web address with the network address of its host.

    Raises `ForbiddenAddress` for an address that is not public, and `UnresolvedHost`. All
    addresses of the name must be allowed. A second look-up could return another one, so the
    connection is made to the address that was checked here. Only a loopback address may be without
    TLS, and only where loopback addresses are allowed.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}[parts.scheme]
        host = encode_host(_bracketed(parts.hostname or ""))
    except (ValueError, KeyError) as error:
        raise ForbiddenAddress("the address is not an http(s) URL: check it") from error
    if parts.username is not None or parts.password is not None:
        raise ForbiddenAddress("the address contains a user or a password: remove it")
    addresses = await _look_up_host(host.strip("[]"), port)
    for address in addresses:
        if address.is_loopback and allow_loopback:
            continue
        if not is_public(address):
            raise ForbiddenAddress("the host has an address that is not public")
        if parts.scheme != "https":
            raise ForbiddenAddress("the address is not https")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return ResolvedAddress(parts.scheme, host, port, str(addresses[0]), target)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address belongs to the public internet, also if it contains an IPv4 one."""
    if isinstance(address, IPv6Address):
        embedded = address.ipv4_mapped or address.sixtofour
        if address in _NAT64 or address in _IPV4_COMPATIBLE:
            embedded = IPv4Address(int(address) & 0xFFFFFFFF)
        if embedded is not None:
            return is_public(embedded)
        if address.teredo is not None or address.is_site_local or address in _LOCAL_NAT64:
            return False
    elif address in _PROTOCOL_ASSIGNMENTS:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


async def _look_up_host(host: str, port: int) -> list[IPv4Address | IPv6Address]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UnresolvedHost(f"the host has no address: {type(error).__name__}") from error
    addresses = [ip_address(str(item[4][0]).partition("%")[0]) for item in found]
    if not addresses:
        raise UnresolvedHost("the host has no address")
    return addresses


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
