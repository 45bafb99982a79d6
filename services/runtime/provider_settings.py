"""Settings of the providers that hand messages over: e-mail, SMS and webhooks."""

import base64
import binascii
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from services.runtime.kafka_settings import KafkaSettings
from services.runtime.setting_types import WebAddress

MIN_SECRET_BYTES = 24
WEBHOOK_SECRET_PREFIX = "whsec_"  # noqa: S105 (the prefix of every such secret)


def _check_webhook_secret(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value().removeprefix(WEBHOOK_SECRET_PREFIX)
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < MIN_SECRET_BYTES:
        raise ValueError(
            f"is {WEBHOOK_SECRET_PREFIX} and the base64 text of {MIN_SECRET_BYTES} bytes or more"
        )
    return secret


WebhookSecret = Annotated[SecretStr, AfterValidator(_check_webhook_secret)]
"""A key for the signatures of the Standard Webhooks specification."""


class ProviderSettings(KafkaSettings):
    """The settings of a process that sends messages, or receives the reports about them."""

    public_url: WebAddress | None = Field(
        default=None,
        description="address under which the internet reaches the API, for links in messages and "
        "callbacks of providers; without it, there are none",
    )
    message_file: Path | None = Field(
        default=None,
        description="file to which messages are written instead of being sent, for channels "
        "without a provider; - is the standard output",
    )
    smtp_host: str | None = Field(
        default=None,
        description="SMTP server that takes e-mails; without it, none are sent",
    )
    smtp_port: int = Field(default=587, ge=1, le=65535, description="port of the SMTP server")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="starttls: encrypt before anything else is sent; tls: encrypt from the start; "
        "none: for a server on this machine",
    )
    smtp_ca_file: Path | None = Field(
        default=None,
        description="file with the certificates of the authority that signed the SMTP server's "
        "one; without it, the authorities of the system are trusted",
    )
    smtp_username: str | None = Field(default=None, description="user of the SMTP server")
    smtp_password: SecretStr | None = Field(default=None, description="password of that user")
    smtp_sender: str | None = Field(
        default=None,
        pattern=r"^[^@\s<>]+@[^@\s<>]+$",
        description="e-mail address that messages come from and bounces go to",
    )
    smtp_timeout_seconds: float = Field(
        default=30, gt=0, le=120, description="longest time in seconds of the hand-over of an email"
    )
    sms_url: WebAddress = Field(
        default="https://api.twilio.com",
        description="address of the Twilio-compatible API of the SMS provider",
    )
    sms_account: str | None = Field(
        default=None,
        description="account SID at the SMS provider; without it, no SMS are sent",
    )
    sms_auth_token: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="auth token of that account; the signatures of its callbacks are verified "
        "with it",
    )
    sms_sender: str | None = Field(
        default=None,
        pattern=r"^(\+[1-9][0-9]{3,14}|[0-9]{3,8}|MG[A-Za-z0-9]{1,40})$",
        description="number that SMS come from, or the SID of a messaging service",
    )
    sms_timeout_seconds: float = Field(
        default=15, gt=0, le=120, description="longest time in seconds of the hand-over of an SMS"
    )
    webhook_secret: WebhookSecret | None = Field(
        default=None,
        description="key that signs webhooks (whsec_ and base64); without it, none are sent",
    )
    webhook_loopback: bool = Field(
        default=False,
        description="allow webhooks to this machine, also without TLS: for development and tests",
    )
    webhook_timeout_seconds: float = Field(
        default=15, gt=0, le=120, description="longest time in seconds of the request of a webhook"
    )

    @model_validator(mode="after")
    def _check_providers(self) -> Self:
        if self.smtp_host is not None and self.smtp_sender is None:
            raise ValueError("CRM_SMTP_SENDER is not set: CRM_SMTP_HOST needs it")
        if self.sms_account is not None and None in (self.sms_auth_token, self.sms_sender):
            raise ValueError(
                "CRM_SMS_AUTH_TOKEN or CRM_SMS_SENDER is not set: CRM_SMS_ACCOUNT needs both"
            )
        return self
