"""Services of an organisation that call the API with an API key, as dependencies of routes."""

from dataclasses import dataclass
from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import Depends, Security
from fastapi.security import APIKeyHeader
from starlette.requests import Request

from events.api_keys import ApiScope
from services.api.context import context_of
from services.api.problems import Problem
from services.api.rate_limit.limits import limit_api_client, limit_network
from services.application.api_keys import VerifiedApiKey, verify_key
from services.deciders.decider import Refused

_KEY = APIKeyHeader(
    name="X-API-Key", scheme_name="apiKey", auto_error=False,
    description="An API key of a service, with the scopes that the operation needs. "
    "`POST /api/api-keys` issues one.",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ApiClient:
    """A service that has sent a valid API key."""

    key: VerifiedApiKey

    @property
    def org_id(self) -> UUID:
        return self.key.org_id

    @property
    def claims(self) -> dict[str, str | None]:
        """The database role and the claims with which only the rows that the key opens are read."""
        return {
            "role": "authenticated", "api_key_org_id": str(self.key.org_id),
            "api_key_property_ids": ",".join(map(str, self.key.property_ids)) or "all",
        }  # fmt: skip


async def authenticate_event_reader(
    request: Request, key: Annotated[str | None, Security(_KEY)]
) -> ApiClient:
    """Return a service that may read events in clear. Raise 401, 403 or 429."""
    client = await _authenticate(request, key)
    if ApiScope.READ_EVENTS not in client.key.scopes:
        raise Problem(
            403, "missing_scope",
            f"the API key lacks the scope {ApiScope.READ_EVENTS}: ask an admin for a key with it",
        )  # fmt: skip
    return client


async def _authenticate(request: Request, key: str | None) -> ApiClient:
    if not key:
        raise Problem(401, "no_key", "the API key is missing: send it in X-API-Key")
    context = context_of(request)
    try:
        async with context.pool.acquire() as conn:
            verified = await verify_key(conn, key, context.clock.now())
    except Refused:
        await limit_network(request)
        raise
    client = ApiClient(verified)
    await limit_api_client(request, verified.id)
    return client


EventReader: TypeAlias = Annotated[ApiClient, Depends(authenticate_event_reader)]
