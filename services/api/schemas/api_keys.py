"""Requests and responses of the API keys of services."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from events.api_keys import ApiScope
from events.fields import Text
from services.api.schemas import example
from services.api.schemas.schema import (
    NO_NUMBER,
    Examples,
    Instant,
    RequestModel,
    ResponseModel,
    ResponseRow,
)

MAX_PROPERTIES = 500
_LABEL = StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")
_ROW = {
    "id": example.API_KEY,
    "label": "data warehouse",
    "scopes": [ApiScope.READ_EVENTS.value],
    "property_ids": [example.PROPERTY],
    "expires_at": None,
    "issued_at": example.AT,
    "issued_by": f"user:{example.PERSON}",
    "issue_reason": "Reports about leads for the owners.",
    "revoked_at": None,
    "revoked_by": None,
    "revoke_reason": None,
}


class ApiKeyRequest(RequestModel):
    """A service and its rights. Without `propertyIds` the key opens all properties.

    With them it opens no event that belongs to the organisation as a whole.
    """

    examples: ClassVar[Examples] = {
        "all properties": {
            "label": "data warehouse",
            "scopes": [ApiScope.READ_EVENTS.value],
            "reason": "Reports about leads for the owners.",
        },
        "one property for some months": {
            "label": "consultant",
            "scopes": [ApiScope.READ_EVENTS.value],
            "propertyIds": [example.PROPERTY],
            "expiresAt": "2036-05-14T00:00:00Z",
            "reason": "An analysis of lost leads.",
        },
    }

    label: Annotated[str, _LABEL]
    scopes: Annotated[list[ApiScope], Field(min_length=1, max_length=len(ApiScope))]
    property_ids: Annotated[tuple[UUID, ...], Field(max_length=MAX_PROPERTIES)] = ()
    expires_at: Annotated[AwareDatetime | None, NO_NUMBER] = None
    reason: Text = Field(min_length=1)


class ApiKeyRevocation(RequestModel):
    """The reason why the key is revoked."""

    examples: ClassVar[Examples] = {"a leak": {"reason": "The key was found in a repository."}}

    reason: Text = Field(min_length=1)


class ApiKeyResponse(ResponseModel):
    """The new key, which is shown once, and its id, with which it is revoked."""

    examples: ClassVar[Examples] = {
        "a new key": {
            "id": example.API_KEY,
            "key": "crm_AZWwwnpAfD6NmlxPeouclwABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
        }
    }

    id: UUID
    key: str


class RevokedApiKeyResponse(ResponseModel):
    """The id of the key, which does not work any more."""

    examples: ClassVar[Examples] = {"revoked": {"success": True, "id": example.API_KEY}}

    success: bool
    id: UUID


class ApiKeyRow(ResponseRow):
    """A key as it is in its table, without the key itself. No properties mean all of them."""

    id: UUID
    label: str
    scopes: list[str]
    property_ids: list[UUID]
    expires_at: Instant | None
    issued_at: Instant
    issued_by: str
    issue_reason: str
    revoked_at: Instant | None
    revoked_by: str | None
    revoke_reason: str | None


class ApiKeyListResponse(ResponseModel):
    """The newest 500 keys of the organisation, also those that were revoked, newest first."""

    examples: ClassVar[Examples] = {"one key": {"keys": [_ROW]}, "none": {"keys": []}}

    keys: list[ApiKeyRow]
