"""Settings of the intake: how long records wait, and which signatures are required."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from services.runtime.environment import explain
from services.runtime.listening import StartError
from services.runtime.setting_types import Secret

PREFIX = "CRM_INTAKE_"


class ProducerKey(BaseModel):
    """The secret with which a producer signs, and the only organisation of its events."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    org: UUID
    secret: Secret


class IntakeSettings(BaseSettings):
    """The settings. The environment variable of a field is `CRM_INTAKE_` and its name."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        extra="forbid",
        frozen=True,
        env_ignore_empty=True,
        allow_inf_nan=False,
    )

    keys: dict[str, ProducerKey] = Field(
        default_factory=dict,
        description='producer keys as JSON: {"KEY ID": {"org": "…", "secret": "…"}}; a secret has '
        "at least 32 characters. With at least one key, every record must be signed with a key of "
        "its organisation.",
    )
    wait_seconds: float = Field(
        default=600,
        ge=0,
        description="longest time in seconds that a record waits for an unknown subject; "
        "then it becomes a dead letter",
    )
    waiting_at_most: int = Field(
        default=100_000,
        ge=0,
        description="maximum number of pending records; more become dead letters",
    )
    first_retry_seconds: float = Field(
        default=1,
        gt=0,
        description="seconds until a pending record is tried again; doubled after each try",
    )
    longest_retry_seconds: float = Field(
        default=30,
        gt=0,
        description="longest time in seconds between two tries of a pending record",
    )
    batch_records: int = Field(
        default=2_000, ge=1, le=20_000, description="maximum number of records read at a time"
    )
    batch_seconds: float = Field(
        default=1,
        ge=0,
        description="seconds for which records of one batch are decided; what is left then waits "
        "for its turn, so that no organisation delays the others",
    )
    deferred_at_most: int = Field(
        default=100_000,
        ge=0,
        description="maximum number of records that wait for their turn; then the topic is read "
        "more slowly",
    )
    patience_seconds: float = Field(
        default=120,
        gt=0,
        description="seconds for which the database or the broker may be unreachable; "
        "then the process ends, and its supervisor starts it again",
    )


def load_intake_settings() -> IntakeSettings:
    """Return the settings of the environment. Raise `StartError` without the wrong values."""
    try:
        return IntakeSettings()
    except ValidationError as error:
        raise StartError(explain(error, prefix=PREFIX)) from None
    except SettingsError:  # the cause of this error contains the secrets
        raise StartError(
            f"{PREFIX}KEYS is not JSON: write "
            '{"KEY ID": {"org": "organisation id", "secret": "32 characters or more"}}'
        ) from None
