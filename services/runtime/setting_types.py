"""The types of settings, with their checks."""

from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from events.keys.master import parse_master_keys

SHARDS = 64
NO_LIMIT = "none"
"""The text that switches a rate limit off. An empty variable means the default instead."""


def _check_partitions(partitions: int) -> int:
    if SHARDS % partitions:
        raise ValueError(f"a topic has 1, 2, 4, 8, 16, 32 or 64 partitions, not {partitions}")
    return partitions


def _check_limits(text: str) -> str:
    from limits import parse_many

    if text.strip().casefold() in ("", NO_LIMIT):
        return ""
    if any(item.amount < 1 for item in parse_many(text)):
        raise ValueError(f"a limit is at least 1; write {NO_LIMIT} for no limit")
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
        raise ValueError("begins with postgresql://")
    return url


def _check_master_keys(text: SecretStr) -> SecretStr:
    parse_master_keys(text.get_secret_value())
    return text


Limit = Annotated[str, AfterValidator(_check_limits)]
"""Rate limits such as "600/minute" or "10/second; 300/hour"; without a limit, the empty text."""
Secret = Annotated[SecretStr, Field(min_length=32)]
"""A key for signatures. A shorter one could be guessed from a signature."""
MasterKeyText = Annotated[SecretStr, AfterValidator(_check_master_keys)]
WebAddress = Annotated[str, AfterValidator(_check_web_address)]
PostgresqlAddress = Annotated[SecretStr, AfterValidator(_check_postgresql)]
PartitionCount = Annotated[int, AfterValidator(_check_partitions)]
Networks = Annotated[str, AfterValidator(_check_networks)]
"""Networks in CIDR notation, separated by commas."""
