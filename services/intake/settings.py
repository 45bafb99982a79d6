"""What the door is told from outside: how long it waits, and whose signatures it demands."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ProducerKey(BaseModel):
    """The secret a producer signs with, and the one organisation it may speak about."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    org: UUID
    secret: Annotated[SecretStr, Field(min_length=16)]


class IntakeSettings(BaseSettings):
    """One field, one environment variable: `CRM_INTAKE_` and the field's name."""

    model_config = SettingsConfigDict(env_prefix="CRM_INTAKE_", extra="forbid", frozen=True)

    keys: dict[str, ProducerKey] = Field(
        default_factory=dict,
        description='{"key id": {"org": "…", "secret": "…"}}; any key: every record must be signed',
    )
    wait_seconds: float = Field(
        default=600, ge=0, description="so long a record waits for an unknown subject"
    )
    waiting_at_most: int = Field(default=100_000, ge=0, description="records that wait at a time")
    first_retry_seconds: float = Field(default=1, gt=0)
    longest_retry_seconds: float = Field(default=30, gt=0)
    batch_records: int = Field(default=2_000, ge=1, le=20_000)
    patience_seconds: float = Field(
        default=120, gt=0, description="so long a server may be away before the process ends"
    )
