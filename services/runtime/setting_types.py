"""The types of settings, with their checks."""

from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator, SecretStr

SHARDS = 64


def _check_partitions(partitions: int) -> int:
    if SHARDS % partitions:
        raise ValueError(f"a topic has 1, 2, 4, 8, 16, 32 or 64 partitions, not {partitions}")
    return partitions


def _check_limits(text: str) -> str:
    from limits import parse_many

    if text and any(item.amount < 1 for item in parse_many(text)):
        raise ValueError("a limit is at least 1; leave it empty for no limit")
    return text


def _check_networks(text: str) -> str:
    for network in text.split(","):
        if network.strip():
            ip_network(network.strip(), strict=False)
    return text


def _check_web_address(url: str) -> str:
    if not url.startswith(("https://", "http://")):
        raise ValueError("begins with https:// (or http://)")
    return url


def _check_postgresql(url: SecretStr) -> SecretStr:
    if not url.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("DATABASE_URL begins with postgresql://")
    return url


Limit = Annotated[str, AfterValidator(_check_limits)]
"""Rate limits such as "600/minute" or "10/second; 300/hour"; empty means no limit."""
WebAddress = Annotated[str, AfterValidator(_check_web_address)]
PostgresqlAddress = Annotated[SecretStr, AfterValidator(_check_postgresql)]
PartitionCount = Annotated[int, AfterValidator(_check_partitions)]
Networks = Annotated[str, AfterValidator(_check_networks)]
"""Networks in CIDR notation, separated by commas."""
