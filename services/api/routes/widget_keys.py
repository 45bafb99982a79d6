"""Route that issues a new widget key."""

import base64
import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from events.widgets import WidgetKeyIssued
from services.api.auth.console_authentication import ConsoleAdminWriter
from services.api.change_reasons import explain_change
from services.api.context import context_of
from services.api.error_codes import NOT_FOUND, SHOWN_KEY, error_responses
from services.api.idempotency import CHECK_IDEMPOTENCY_KEY, command_from_header
from services.api.problems import Problem
from services.api.property_lookup import require_property
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import write_response
from services.api.schemas.widget_keys import WidgetKeyRequest, WidgetKeyResponse
from services.api.table_fit import require_fitting_tables
from services.application.command_handler import transact
from services.application.unit_of_work import UnitOfWork
from services.deciders.widgets import IssueKey

router = APIRouter(prefix="/api/lumaleasing/admin", tags=["administration"])


@router.post(
    "/regenerate-key", summary="Issue a new widget key", response_model=WidgetKeyResponse,
    responses=error_responses(NOT_FOUND, SHOWN_KEY), dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def regenerate_widget_key(
    request: Request,
    caller: ConsoleAdminWriter,
    parsed: Annotated[ParsedBody[WidgetKeyRequest], Depends(BodyParser(WidgetKeyRequest))],
) -> Response:
    """Return a new key. It is shown once; only its hash is stored.

    A repeated request with the same Idempotency-Key must return the same key. Its stored result is
    therefore a random seed, from which the key is derived with a secret key of this installation.
    So no result that is stored contains the key.
    """
    body, context = parsed.body, context_of(request)
    await require_property(context, caller, body.property_id)
    await require_fitting_tables(context, caller)
    scope = caller.scope(body.property_id, context.clock.now())
    new_seed = secrets.token_hex(32)
    secret_key = await context.keys.load_newest("widget_key")
    new_hash = _hash(derive_key(secret_key, new_seed))
    overlap = timedelta(hours=body.overlap_hours)
    command = IssueKey(
        body.property_id, uuid7(), new_hash, scope.at + overlap if overlap else None, caller.id
    )

    async def work(uow: UnitOfWork) -> dict[str, str | None]:
        ends_at = [
            event.previous_valid_until
            for event in await uow.execute(command)
            if isinstance(event, WidgetKeyIssued)
        ]
        await explain_change(uow, request, caller)
        until = ends_at[0].isoformat() if ends_at and ends_at[0] else None
        return {"seed": new_seed, "hash": new_hash, "until": until}

    command_id = command_from_header(request, caller, parsed.raw, scope.at)
    result = await transact(context.pool, scope, work, command_id=command_id)
    stored = result.result
    key = derive_key(secret_key, str(stored["seed"]))
    if _hash(key) != stored["hash"]:
        raise Problem(
            409, "key_not_shown_again",
            "the secret key from which this key was derived has been rotated, so it cannot be "
            "shown again: regenerate it with a new Idempotency-Key",
        )  # fmt: skip
    body_of_response = {"apiKey": key, "previousValidUntil": _with_z(stored["until"])}
    return await write_response(context, caller, result, body_of_response)


def derive_key(secret_key: bytes, seed: str) -> str:
    """Return the widget key of a seed. Without the secret key, a seed reveals nothing."""
    digest = hmac.new(secret_key, seed.encode(), hashlib.sha256).digest()
    return f"lk_{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _with_z(instant: str | None) -> str | None:
    return instant.replace("+00:00", "Z") if instant else None
