"""The addresses of the Kafka brokers, and how a client logs in there."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class BrokerSecurity:
    """The security protocol of the brokers, the login of a SASL protocol, and a CA of TLS."""

    protocol: str
    mechanism: str
    username: str | None
    password: str | None
    ca_file: Path | None

    @property
    def has_tls(self) -> bool:
        return self.protocol in ("SSL", "SASL_SSL")

    @property
    def has_login(self) -> bool:
        return self.protocol in ("SASL_PLAINTEXT", "SASL_SSL")

    def tls_context(self) -> ssl.SSLContext:
        """Return a context that trusts the CA file, or the CAs of the system."""
        return ssl.create_default_context(cafile=self.ca_file)


class Brokers(str):
    """The addresses of the brokers as every client takes them, with the security of the bus.

    A plain text of addresses means brokers without login and without TLS.
    """

    __slots__ = ("security",)
    security: BrokerSecurity | None

    def __new__(cls, addresses: str, security: BrokerSecurity | None = None) -> Self:
        brokers = super().__new__(cls, addresses)
        brokers.security = security
        return brokers


def client_options(bootstrap_servers: str) -> dict[str, Any]:
    """Return the arguments of an aiokafka client for these brokers. Never log them."""
    options: dict[str, Any] = {"bootstrap_servers": str(bootstrap_servers)}
    security = security_of(bootstrap_servers)
    if security is None:
        return options
    options["security_protocol"] = security.protocol
    if security.has_tls:
        options["ssl_context"] = security.tls_context()
    if security.has_login:
        options["sasl_mechanism"] = security.mechanism
        options["sasl_plain_username"] = security.username
        options["sasl_plain_password"] = security.password
    return options


def security_of(bootstrap_servers: str) -> BrokerSecurity | None:
    """Return the security of these brokers; None without login and TLS."""
    return bootstrap_servers.security if isinstance(bootstrap_servers, Brokers) else None
