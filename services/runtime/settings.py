"""Settings of processes and commands: from the environment, then from the running `crm up`."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from services.runtime.setting_types import (
    Limit,
    Networks,
    PartitionCount,
    PostgresqlAddress,
    WebAddress,
)
from services.runtime.stack_state import home_directory, read_state


class DatabaseSettings(BaseSettings):
    """The settings of a command that uses only the database."""

    model_config = SettingsConfigDict(env_prefix="CRM_", extra="forbid", frozen=True)

    database_url: PostgresqlAddress = Field(
        validation_alias="database_url",  # an alias has no prefix, and its case does not matter
        description="address of the database: postgresql://user:password@host:port/database",
    )
    pool_size: int = Field(
        default=10, ge=1, le=200, description="maximum number of database connections per pool"
    )
    statement_timeout_seconds: float = Field(
        default=60, gt=0, description="seconds after which the database cancels a statement"
    )
    idle_in_transaction_seconds: float = Field(
        default=30,
        gt=0,
        description="seconds after which the database ends a transaction that does nothing; "
        "limits how long a dead worker blocks its successor",
    )

    @property
    def dsn(self) -> str:
        """Return the address of the database with its password. Never log it."""
        return self.database_url.get_secret_value()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources in order: arguments, environment, state file of the running stack."""
        return init_settings, env_settings, _RunningStack(settings_cls)


class Settings(DatabaseSettings):
    """The settings of every process. The environment variable of a field is `CRM_` and its name.

    `DATABASE_URL` and `KAFKA_BOOTSTRAP_SERVERS` have no prefix.
    """

    kafka_bootstrap_servers: str = Field(
        validation_alias="kafka_bootstrap_servers",
        min_length=1,
        description="addresses of the Kafka brokers: host:port, separated by commas",
    )
    topic_prefix: str = Field(
        default="crm",
        pattern=r"^[a-zA-Z0-9._-]{1,100}$",
        description="first part of the names of all topics, as in crm.events",
    )
    topic_partitions: PartitionCount = Field(
        default=8,
        ge=1,
        le=64,
        description="number of partitions of a topic that is created; must divide 64",
    )
    topic_replicas: int = Field(
        default=1, ge=1, le=10, description="number of replicas of a topic that is created"
    )
    kafka_idempotent: bool = Field(
        default=False,
        description="whether the relay uses an idempotent Kafka producer; "
        "the embedded broker does not support it",
    )
    home: Path = Field(
        default=Path(".crm"), description="private directory of the local stack (crm up)"
    )
    jwt_secret: SecretStr | None = Field(
        default=None,
        description="HS256 key of the tokens of the console; without it, such tokens are refused",
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
    jwt_audience: str = Field(
        default="authenticated", min_length=1, description="required audience of console tokens"
    )
    jwt_issuer: str | None = Field(
        default=None, description="required issuer of console tokens; without it, any issuer"
    )
    signing_secret: Annotated[SecretStr, Field(min_length=32)] | None = Field(
        default=None,
        description="key that signs what the core issues, such as session tokens; "
        "without it, CRM_JWT_SECRET is used",
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
        default="120/minute", description="rate limit of widget requests per visitor and property"
    )
    limit_key: Limit = Field(
        default="6000/minute", description="rate limit of widget requests per property"
    )
    limit_contact: Limit = Field(
        default="20/hour",
        description="rate limit of widget requests that contain an e-mail address or phone number",
    )
    http_host: str = Field(default="127.0.0.1", description="address on which the API listens")
    http_port: int = Field(
        default=8080, ge=0, le=65535, description="port on which the API listens; 0: any free port"
    )
    token_wait_seconds: float = Field(
        default=5,
        ge=0,
        le=60,
        description="longest time in seconds that a read waits for the write of its consistency "
        "token; then it answers 503",
    )
    streams_per_process: int = Field(
        default=200,
        ge=0,
        le=10_000,
        description="maximum number of open SSE connections per API process; more get 503",
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
    health_host: str = Field(
        default="127.0.0.1", description="address on which a worker serves its health routes"
    )
    health_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="port of /healthz, /readyz and /metrics of a worker; without it, no server",
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


class _RunningStack(PydanticBaseSettingsSource):
    """The addresses and the development secret of the `crm up` that runs in CRM_HOME."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        state = read_state(home_directory())
        values = {} if state is None else state.settings
        return {name: values[name] for name in self.settings_cls.model_fields if name in values}
