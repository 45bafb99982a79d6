"""What a process is told from outside: the environment first, then the running `crm up`."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from services.runtime.stack_state import home_directory, read_state

SHARDS = 64
_NAMES = {
    "database_url": "DATABASE_URL",
    "kafka_bootstrap_servers": "KAFKA_BOOTSTRAP_SERVERS",
}


def _divides_shards(partitions: int) -> int:
    if SHARDS % partitions:
        raise ValueError(f"a topic has 1, 2, 4, 8, 16, 32 or 64 partitions, not {partitions}")
    return partitions


def _limits(text: str) -> str:
    from limits import parse_many

    if text and any(item.amount < 1 for item in parse_many(text)):
        raise ValueError("a limit is at least 1; for none at all leave it empty")
    return text


def _networks(text: str) -> str:
    for one in text.split(","):
        if one.strip():
            ip_network(one.strip(), strict=False)
    return text


def _web_address(url: str) -> str:
    if not url.startswith(("https://", "http://")):
        raise ValueError("begins with https:// (or http://)")
    return url


Limit = Annotated[str, AfterValidator(_limits)]
"""As in "600/minute" or "10/second; 300/hour"; empty: none."""


def _postgresql(url: SecretStr) -> SecretStr:
    if not url.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("DATABASE_URL begins with postgresql://")
    return url


def _http(url: str) -> str:
    if not url.startswith(("https://", "http://")):
        raise ValueError("begins with https:// (or http://)")
    return url


class DatabaseSettings(BaseSettings):
    """What a command needs that only talks to the database."""

    model_config = SettingsConfigDict(env_prefix="CRM_", extra="forbid", frozen=True)

    database_url: Annotated[SecretStr, AfterValidator(_postgresql)] = Field(
        validation_alias="database_url",  # an alias takes no prefix; its case is free
        description="postgresql://user:password@host:port/database",
    )
    pool_size: int = Field(default=10, ge=1, le=200, description="connections per process")
    statement_timeout_seconds: float = Field(default=60, gt=0)
    idle_in_transaction_seconds: float = Field(
        default=30, gt=0, description="bounds how long a dead worker's transaction blocks its heir"
    )

    @property
    def dsn(self) -> str:
        """The database's address with its password, for a driver; never for a log."""
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
        """Arguments, then the environment, then what the running stack wrote down."""
        return init_settings, env_settings, _RunningStack(settings_cls)


class Settings(DatabaseSettings):
    """One field, one environment variable: `CRM_` and the field's name, but for two."""

    kafka_bootstrap_servers: str = Field(
        validation_alias="kafka_bootstrap_servers",
        min_length=1,
        description="host:port, several with commas",
    )
    topic_prefix: str = Field(default="crm", pattern=r"^[a-zA-Z0-9._-]{1,100}$")
    topic_partitions: Annotated[int, AfterValidator(_divides_shards)] = Field(
        default=8, ge=1, le=SHARDS, description="of a topic that is not there yet"
    )
    topic_replicas: int = Field(
        default=1, ge=1, le=10, description="of a topic that is not there yet"
    )
    kafka_idempotent: bool = Field(
        default=False, description="an idempotent producer; a broker must support it"
    )
    home: Path = Field(default=Path(".crm"), description="private directory of the embedded stack")
    jwt_secret: SecretStr | None = Field(
        default=None, description="HS256 key of the console's tokens; unset refuses such tokens"
    )
    jwks_url: Annotated[str, AfterValidator(_web_address)] | None = Field(
        default=None, description="public keys of the console's ES256 and RS256 tokens"
    )
    jwks_lifespan_seconds: float = Field(
        default=600, gt=0, description="so long fetched keys are used; a retired one may last so"
    )
    jwks_refetch_seconds: float = Field(
        default=30, ge=0, description="an unknown key makes them be fetched again, this far apart"
    )
    jwt_audience: str = Field(default="authenticated", min_length=1)
    jwt_issuer: str | None = Field(default=None, description="unset: tokens of any issuer")
    signing_secret: Annotated[SecretStr, Field(min_length=32)] | None = Field(
        default=None,
        description="signs what the core hands out, such as session tokens; unset: CRM_JWT_SECRET",
    )
    trusted_proxies: Annotated[str, AfterValidator(_networks)] = Field(
        default="",
        description="networks, with commas, whose X-Forwarded-For says where a request came from",
    )
    limit_address: Limit = Field(
        default="600/minute", description="requests of widgets from a network (/24, /64)"
    )
    limit_visitor: Limit = Field(
        default="120/minute", description="requests of a visitor on a property's site"
    )
    limit_key: Limit = Field(
        default="6000/minute", description="requests of all visitors on a property's site"
    )
    limit_contact: Limit = Field(
        default="20/hour", description="requests of a widget that name an e-mail address or number"
    )
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8080, ge=0, le=65535)
    token_wait_seconds: float = Field(
        default=5, ge=0, le=60, description="how long a read waits for the write of its token"
    )
    streams_per_process: int = Field(
        default=200, ge=0, le=10_000, description="server-sent event streams open at a time"
    )
    stream_seconds: float = Field(
        default=300, gt=0, le=3_600, description="so long a stream lasts; its client comes again"
    )
    responder_url: Annotated[str, AfterValidator(_http)] | None = Field(
        default=None,
        description="an OpenAI-compatible API, up to and with its /v1; unset: the scripted bot",
    )
    responder_model: str = Field(default="gpt-4o-mini", min_length=1, max_length=200)
    responder_api_key: SecretStr | None = None
    responder_timeout_seconds: float = Field(
        default=8, gt=0, le=9.5, description="of one try of two: a visitor waits 20 s at most"
    )
    health_host: str = "127.0.0.1"
    health_port: int | None = Field(
        default=None, ge=0, le=65535, description="of a worker's /healthz, /readyz and /metrics"
    )
    log_format: Literal["json", "console"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def proxies(self) -> list[str]:
        """The networks of `trusted_proxies`."""
        return [one.strip() for one in self.trusted_proxies.split(",") if one.strip()]


class _RunningStack(PydanticBaseSettingsSource):
    """The addresses and development secret of the `crm up` that runs in CRM_HOME, if one does."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        state = read_state(home_directory())
        known = {} if state is None else state.settings
        return {name: known[name] for name in self.settings_cls.model_fields if name in known}


def explain(error: ValidationError) -> str:
    """What is wrong with the environment, one line a setting, without the values."""
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        field = str(problem["loc"][0]) if problem["loc"] else "settings"
        name = _NAMES.get(field, f"CRM_{field.upper()}")
        if problem["type"] == "missing":
            lines.append(f"{name} is not set: start the stack with `crm up`, or set {name}")
        else:
            lines.append(f"{name}: {problem['msg']}")
    return "\n".join(lines)


def as_environment(settings: Settings) -> dict[str, str]:
    """The environment that makes a child process read these very settings."""
    values: dict[str, str] = {}
    for field in Settings.model_fields:
        value = getattr(settings, field)
        if value is None:
            continue
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        values[_NAMES.get(field, f"CRM_{field.upper()}")] = str(plain)
    return values
