"""Settings of processes and commands: from the environment, then from the running `crm up`."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from services.runtime.provider_settings import ProviderSettings
from services.runtime.setting_types import Limit, Networks, Secret, WebAddress


class Settings(ProviderSettings):
    """The settings of every process. The environment variable of a field is `CRM_` and its name.

    `DATABASE_URL` and `KAFKA_BOOTSTRAP_SERVERS` have no prefix.
    """

    home: Path = Field(
        default=Path(".crm"), description="private directory of the local stack (crm up)"
    )
    jwt_secret: Secret | None = Field(
        default=None,
        description="HS256 key of the tokens of the console, at least 32 characters; "
        "without it, such tokens are refused",
    )
    jwks_url: WebAddress | None = Field(
        default=None,
        description="address of the public keys for ES256 and RS256 tokens of the console; "
        "without it, such tokens are refused",
    )
    jwks_lifespan_seconds: float = Field(
        default=600,
        gt=0,
        description="seconds for which fetched public keys are used, also a key retired meanwhile",
    )
    jwks_refetch_seconds: float = Field(
        default=30,
        ge=0,
        description="shortest time in seconds between two fetches because of an unknown key",
    )
    jwks_outage_seconds: float = Field(
        default=3_600,
        ge=0,
        description="seconds for which the last keys are used after their lifespan, while the "
        "issuer does not answer",
    )
    caller_seconds: float = Field(
        default=2,
        ge=0,
        le=2,
        description="seconds for which an API process remembers who a caller is: a role that was "
        "changed, or a widget key that was revoked, is seen after this time at the latest",
    )
    jwt_audience: str = Field(
        default="authenticated", min_length=1, description="required audience of console tokens"
    )
    jwt_issuer: str | None = Field(
        default=None, description="required issuer of console tokens; without it, any issuer"
    )
    console_actions: bool = Field(
        default=True,
        description="whether the pages of the console can change anything; if false, they only "
        "show",
    )
    console_sign_in_url: WebAddress | None = Field(
        default=None,
        description="address of the host's own sign-in page, which sends a console token to "
        "/console/sign-in",
    )
    console_oidc_issuer: WebAddress | None = Field(
        default=None,
        description="OpenID Connect issuer at which people sign in to the console, exactly as its "
        "discovery document names it; the token must be one that the API accepts",
    )
    console_oidc_client_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="id of the console as a client of this issuer",
    )
    console_oidc_client_secret: SecretStr | None = Field(
        default=None,
        description="secret of this client; without it, the client is a public one with PKCE alone",
    )
    console_secure_cookie: bool = Field(
        default=False,
        description="whether browsers send the cookie of the console over TLS only; set it where "
        "a proxy ends TLS",
    )
    session_token_hours: float = Field(
        default=24,
        gt=0,
        le=24 * 90,
        description="hours for which a session token is valid; each chat response and each list of "
        "messages has a new one",
    )
    trusted_proxies: Networks = Field(
        default="",
        description="networks of proxies, separated by commas, whose X-Forwarded-For header "
        "gives the address of the client",
    )
    limit_address: Limit = Field(
        default="600/minute",
        description="rate limit of widget requests per client network (/24 or /64)",
    )
    limit_visitor: Limit = Field(
        default="120/minute",
        description="rate limit of widget requests per visitor and property; requests with a new "
        "visitor id or without one count together for their network",
    )
    limit_key: Limit = Field(
        default="6000/minute", description="rate limit of widget requests per property"
    )
    limit_contact: Limit = Field(
        default="20/hour",
        description="rate limit of widget requests of one network that contain the same e-mail "
        "address or phone number",
    )
    limit_own_contact: Limit = Field(
        default="300/hour",
        description="the same limit for the session that owns the lead with this contact",
    )
    limit_api_key: Limit = Field(
        default="600/minute", description="rate limit of requests per API key of a service"
    )
    http_host: str = Field(default="127.0.0.1", description="address on which the API listens")
    http_port: int = Field(
        default=8080, ge=0, le=65535, description="port on which the API listens; 0: any free port"
    )
    api_processes: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="number of processes that answer the requests of one API port; by default "
        "one per core",
    )
    http_head_seconds: float = Field(
        default=10,
        gt=0,
        le=300,
        description="longest time in seconds in which the headers of a request must arrive",
    )
    http_body_seconds: float = Field(
        default=30,
        gt=0,
        le=300,
        description="longest time in seconds in which the body of a request must arrive",
    )
    token_wait_seconds: float = Field(
        default=5,
        ge=0,
        le=60,
        description="longest time in seconds that a read waits for the write of its consistency "
        "token; then it answers 503",
    )
    safety_poll_seconds: float = Field(
        default=1,
        ge=0.01,
        le=600,
        description="longest time in seconds for which an idle process sleeps before it looks for "
        "events by itself, in case that the database's announcement of them was lost",
    )
    streams_per_process: int = Field(
        default=200,
        ge=0,
        le=10_000,
        description="maximum number of open SSE connections per API process; more get 503",
    )
    streams_per_property_percent: int = Field(
        default=50,
        ge=1,
        le=100,
        description="largest part of streams_per_process that one property can use",
    )
    streams_per_network_percent: int = Field(
        default=25,
        ge=1,
        le=100,
        description="largest part of streams_per_process that one client network can use",
    )
    streams_reserve_percent: int = Field(
        default=10,
        ge=0,
        le=99,
        description="part of streams_per_process that is only for properties and networks without "
        "an open SSE connection",
    )
    stream_seconds: float = Field(
        default=300,
        gt=0,
        le=3_600,
        description="maximum duration of an SSE connection in seconds; clients reconnect",
    )
    responder_url: WebAddress | None = Field(
        default=None,
        description="address of an OpenAI-compatible API up to its /v1; "
        "without it, the scripted bot replies",
    )
    responder_model: str = Field(
        default="gpt-4o-mini",
        min_length=1,
        max_length=200,
        description="name of the language model that is sent to the responder API",
    )
    responder_api_key: SecretStr | None = Field(
        default=None, description="bearer token for the responder API"
    )
    responder_timeout_seconds: float = Field(
        default=8,
        gt=0,
        le=9.5,
        description="seconds after which one attempt of the responder API fails; there are two "
        "attempts, because a visitor waits 20 s at most",
    )
    send_lease_seconds: float = Field(
        default=240,
        ge=1,
        le=3_600,
        description="seconds after which a hand-over without a result is unknown; the half of it "
        "is the longest time of a request to a provider",
    )
    sms_per_second: float = Field(
        default=10,
        ge=0,
        le=10_000,
        description="SMS that one sender process hands over in a second at most; 0: no limit",
    )
    emails_per_second: float = Field(
        default=20,
        ge=0,
        le=10_000,
        description="e-mails that one sender process hands over in a second at most; 0: no limit",
    )
    health_host: str = Field(
        default="127.0.0.1", description="address on which a process serves its health routes"
    )
    health_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="port of /healthz, /readyz and /metrics of a process; without it, no server",
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="form of log lines: json for machines, console for people"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="lowest level of the log lines that are written"
    )

    @property
    def proxies(self) -> list[str]:
        """Return the networks of `trusted_proxies`."""
        networks = (text.strip() for text in self.trusted_proxies.split(","))
        return [network for network in networks if network]
