"""API keys: secret keys with which services of an organisation call the API."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from events.event import Event, Foreign
from events.fields import Instant, Key, Line, NotPersonal, Text

_REASON = NotPersonal("Describes a key of a service.")


class ApiScope(StrEnum):
    """A right that an API key can have."""

    READ_EVENTS = "events:read"
    """Read events with their personal values in clear."""


class ApiKeyIssued(Event):
    """An API key was issued; only its hash is stored."""

    name: ClassVar[str] = "apikey.issued"
    begins: ClassVar[bool] = True
    stream: ClassVar[str] = "api_key"
    entity: ClassVar[str] = "api_key_id"

    api_key_id: UUID
    key_hash: Annotated[
        Line,
        NotPersonal("The hash of a random key of a service."),
        Field(description="SHA-256 of the API key; the key itself is not stored."),
    ]
    label: Annotated[
        Line, NotPersonal("The name of a service."), Field(description="Name of the service.")
    ]
    scopes: Annotated[
        tuple[Key, ...],
        Field(max_length=20, description="Rights of the key. Later builds may add more."),
    ]
    property_ids: Annotated[
        tuple[Foreign, ...],
        Field(
            max_length=500,
            description="Properties whose data the key opens; all of the organisation if empty.",
        ),
    ] = ()
    expires_at: Annotated[
        Instant | None, Field(description="End of the key's validity; null: it has none.")
    ] = None
    reason: Annotated[Text, _REASON, Field(description="Why the service needs the key.")]
    issued_by: Foreign | None = None


class ApiKeyRevoked(Event):
    """An API key was revoked and does not work any more."""

    name: ClassVar[str] = "apikey.revoked"
    requires: ClassVar[Mapping[str, str]] = {"api_key_id": "api_key"}
    stream: ClassVar[str] = "api_key"
    entity: ClassVar[str] = "api_key_id"

    api_key_id: UUID
    reason: Annotated[Text, _REASON, Field(description="Why the key was revoked.")]
    revoked_by: Foreign | None = None
