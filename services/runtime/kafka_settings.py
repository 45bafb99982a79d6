"""Settings of the connection to Kafka and of its topics."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from events.bus.brokers import Brokers, BrokerSecurity
from services.runtime.database_settings import DatabaseSettings
from services.runtime.setting_types import PartitionCount


class KafkaSettings(DatabaseSettings):
    """The settings of a process that uses the database and Kafka."""

    kafka_bootstrap_servers: str = Field(
        validation_alias="kafka_bootstrap_servers",
        min_length=1,
        description="addresses of the Kafka brokers: host:port, separated by commas",
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="security protocol of the Kafka brokers"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="mechanism of the login to Kafka"
    )
    kafka_sasl_username: str | None = Field(
        default=None, description="user of the login to Kafka; a SASL protocol needs it"
    )
    kafka_sasl_password: SecretStr | None = Field(
        default=None, description="password of the login to Kafka; a SASL protocol needs it"
    )
    kafka_ca_file: Path | None = Field(
        default=None,
        description="file with the certificates of the authority that signed the brokers' ones; "
        "without it, the authorities of the system are trusted",
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

    @model_validator(mode="after")
    def _require_login(self) -> Self:
        if self.kafka_security_protocol.startswith("SASL") and not (
            self.kafka_sasl_username and self.kafka_sasl_password
        ):
            raise ValueError(
                f"CRM_KAFKA_SECURITY_PROTOCOL is {self.kafka_security_protocol}: "
                "set CRM_KAFKA_SASL_USERNAME and CRM_KAFKA_SASL_PASSWORD too"
            )
        return self

    @property
    def brokers(self) -> Brokers:
        """Return the addresses of the brokers with their security."""
        if self.kafka_security_protocol == "PLAINTEXT":
            return Brokers(self.kafka_bootstrap_servers)
        password = self.kafka_sasl_password
        return Brokers(
            self.kafka_bootstrap_servers,
            BrokerSecurity(
                self.kafka_security_protocol, self.kafka_sasl_mechanism, self.kafka_sasl_username,
                password.get_secret_value() if password else None, self.kafka_ca_file,
            ),
        )  # fmt: skip
