"""Routes with which admins issue, list and revoke the API keys of services."""

import hashlib
import hmac
import secrets
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from projections import api_keys
from services.api.auth.console_authentication import ConsoleAdmin
from services.api.auth.console_users import ConsoleUser
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.error_codes import API_KEY, NOT_FOUND, SHOWN_KEY, error_responses
from services.api.idempotency import CHECK_IDEMPOTENCY_KEY, command_from_header
from services.api.problems import Problem
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import json_response, write_response
from services.api.schemas import example
from services.api.schemas.api_keys import (
    ApiKeyListResponse,
    ApiKeyRequest,
    ApiKeyResponse,
    ApiKeyRevocation,
    ApiKeyRow,
    RevokedApiKeyResponse,
)
from services.api.table_fit import require_fitting_tables
from services.application.api_keys import hash_key, make_key, require_properties
from services.application.command_handler import transact
from services.application.scope import Scope
from services.application.unit_of_work import UnitOfWork
from services.deciders.api_keys import IssueApiKey, RevokeApiKey

MAX_KEYS = 500

router = APIRouter(prefix="/api/api-keys", tags=["administration"])


@router.post(
    "", summary="Issue an API key of a service", status_code=201, response_model=ApiKeyResponse,
    responses=error_responses(API_KEY, SHOWN_KEY), dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def issue_api_key(
    request: Request,
    caller: ConsoleAdmin,
    parsed: Annotated[ParsedBody[ApiKeyRequest], Depends(BodyParser(ApiKeyRequest))],
) -> Response:
    """Return a new key. It is shown once; only its hash is stored.

    A repeated request with the same Idempotency-Key gets the same key: its stored result is a
    random seed, from which the key is derived with a secret key of this installation.
    """
    body, context = parsed.body, context_of(request)
    await require_fitting_tables(context, caller)
    scope = _scope(request, caller)
    secret_key = await context.keys.load_newest("api_key")
    new_id, new_seed = uuid7(), secrets.token_hex(32)
    command = IssueApiKey(
        new_id, hash_key(_derive_key(secret_key, new_id, new_seed)), body.label,
        tuple(body.scopes), body.reason, scope.at, body.property_ids, body.expires_at,
        caller.id,
    )  # fmt: skip

    async def work(uow: UnitOfWork) -> dict[str, str]:
        await require_properties(uow.conn, caller.org_id, command.property_ids)
        await uow.execute(command)
        return {"id": str(new_id), "seed": new_seed, "hash": command.key_hash}

    command_id = command_from_header(request, caller, parsed.raw, scope.at)
    result = await transact(context.pool, scope, work, command_id=command_id)
    stored = result.result
    key = _derive_key(secret_key, UUID(stored["id"]), stored["seed"])
    if hash_key(key) != stored["hash"]:
        raise Problem(
            409, "key_not_shown_again",
            "the secret key from which this key was derived has been rotated, so it cannot be "
            "shown again: revoke it, and issue one with a new Idempotency-Key",
        )  # fmt: skip
    return await write_response(context, caller, result, {"id": stored["id"], "key": key}, 201)


@router.get(
    "", summary="List the API keys of services", response_model=ApiKeyListResponse,
    responses=error_responses(), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_api_keys(request: Request, caller: ConsoleAdmin) -> Response:
    """Return who issued and revoked each key, when and why. The keys themselves are not stored."""
    query = api_keys.of_organization(caller.org_id).limit(MAX_KEYS)
    async with read_as(context_of(request).pool, caller.claims) as conn:
        rows = await conn.all(query)
    names = tuple(ApiKeyRow.model_fields)
    return json_response({"keys": [{name: getattr(row, name) for name in names} for row in rows]})


@router.post(
    "/{key_id}/revoke", summary="Revoke an API key", response_model=RevokedApiKeyResponse,
    responses=error_responses(NOT_FOUND), dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def revoke_api_key(
    request: Request,
    caller: ConsoleAdmin,
    key_id: Annotated[UUID, Path(examples=[example.API_KEY])],
    parsed: Annotated[ParsedBody[ApiKeyRevocation], Depends(BodyParser(ApiKeyRevocation))],
) -> Response:
    """Refuse the key from now on. Repeating the request changes nothing."""
    context, scope = context_of(request), _scope(request, caller)
    await require_fitting_tables(context, caller)

    async def work(uow: UnitOfWork) -> None:
        await uow.execute(RevokeApiKey(key_id, parsed.body.reason, caller.id))

    command_id = command_from_header(request, caller, parsed.raw, scope.at)
    result = await transact(context.pool, scope, work, command_id=command_id)
    return await write_response(context, caller, result, {"success": True, "id": key_id})


def _scope(request: Request, caller: ConsoleUser) -> Scope:
    return Scope.of_organization(caller.org_id, context_of(request).clock.now(), caller.cause)


def _derive_key(secret_key: bytes, key_id: UUID, seed: str) -> str:
    """Return the key of a seed. Without the secret key, a seed reveals nothing."""
    return make_key(key_id, hmac.digest(secret_key, seed.encode(), hashlib.sha256))
