"""Settings of commands that use only the database, and the sources of all settings."""

from typing import Any, Literal, Self

from pydantic import Field, FilePath
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from events.keys.master import MasterKeys, parse_master_keys
from services.runtime.setting_types import MasterKeyText, PostgresqlAddress
from services.runtime.stack_state import home_directory, read_state


class DatabaseSettings(BaseSettings):
    """The settings of a command that uses only the database."""

    # An empty variable means that the setting is not set: compose files pass such variables.
    model_config = SettingsConfigDict(
        env_prefix="CRM_",
        extra="forbid",
        frozen=True,
        env_ignore_empty=True,
        allow_inf_nan=False,
    )

    database_url: PostgresqlAddress = Field(
        validation_alias="database_url",  # an alias has no prefix, and its case does not matter
        description="address of the database: postgresql://user:password@host:port/database",
    )
    database_pooler: Literal["none", "transaction"] = Field(
        default="none",
        description="transaction, if DATABASE_URL is the address of a pooler in transaction mode",
    )
    database_direct_url: PostgresqlAddress | None = Field(
        default=None,
        description="address of the database without the pooler, for migrations and for the "
        "liveness of projectors, which need a session",
    )
    master_key: MasterKeyText | None = Field(
        default=None,
        description="master keys, which encrypt the keys of personal data: base64 of 32 bytes, "
        "several separated by commas; the first one encrypts, the others only decrypt",
    )
    master_key_file: FilePath | None = Field(
        default=None, description="file with the master keys, instead of CRM_MASTER_KEY"
    )
    keys_url: PostgresqlAddress | None = Field(
        default=None,
        description="address of the database with the key store (schema crm_keys); without it, "
        "the key store is in the database of DATABASE_URL",
    )
    clock_delay_file: FilePath | None = Field(
        default=None,
        description="file with the number of seconds by which the clock of every process is behind "
        "the system's, for the demo and for tests; without it, the clocks are the same",
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

    @property
    def master_keys(self) -> MasterKeys | None:
        """Return the configured master keys, or None. Raises `ValueError` for a wrong file."""
        if self.master_key is not None:
            return parse_master_keys(self.master_key.get_secret_value())
        if self.master_key_file is not None:
            try:
                return parse_master_keys(self.master_key_file.read_text(encoding="ascii"))
            except ValueError as error:
                raise ValueError(f"CRM_MASTER_KEY_FILE {self.master_key_file}: {error}") from None
        return None

    @property
    def key_store(self) -> Self | None:
        """Return the settings of the key store's own database; None if it has none."""
        if self.keys_url is None:
            return None
        update = {"database_url": self.keys_url, "database_direct_url": None, "keys_url": None}
        return self.model_copy(update=update)

    @property
    def direct(self) -> Self | None:
        """Return the settings for work that needs a session; None if no address gives one."""
        if self.database_direct_url is None:
            return self if self.database_pooler == "none" else None
        return self.model_copy(
            update={
                "database_url": self.database_direct_url,
                "database_direct_url": None,
                "database_pooler": "none",
            }
        )

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


class _RunningStack(PydanticBaseSettingsSource):
    """The addresses and the development secret of the `crm up` that runs in CRM_HOME."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        state = read_state(home_directory())
        values = {} if state is None else state.settings
        return {name: values[name] for name in self.settings_cls.model_fields if name in values}
