"""What admins of an organisation set: the configuration and the key of a property's widget."""

import base64
import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from events.widgets import WidgetKeyIssued
from projections import widgets
from services.api.auth.callers import Admin, no_such
from services.api.context import core_of
from services.api.error_codes import KEY, NOT_FOUND, refuses
from services.api.problems import Problem
from services.api.request_body import Taken, Takes
from services.api.responses import Answer, Once, Reached, answered, command_of, written
from services.api.schemas import example
from services.api.schemas.tours import Done
from services.api.schemas.widget_admin import (
    KeyIssued,
    KeyWanted,
    WidgetConfigHeld,
    WidgetConfigSent,
)
from services.application.command_handler import transact
from services.application.unit_of_work import UnitOfWork
from services.deciders.widgets import ConfigureWidget, IssueKey

router = APIRouter(prefix="/api/lumaleasing/admin", tags=["administration"])


@router.get(
    "/config", summary="A widget's configuration", response_model=WidgetConfigHeld,
    responses=refuses(NOT_FOUND), dependencies=[Reached],
)  # fmt: skip
async def held(
    request: Request,
    caller: Admin,
    property_id: Annotated[UUID, Query(alias="propertyId", examples=[example.PROPERTY])],
) -> Response:
    core = core_of(request)
    await caller.demand_property(core, property_id)
    async with caller.transaction(core.engine) as conn:
        query = widgets.of_property(property_id)
        row = (await conn.execute(query)).mappings().first()
    if row is None:
        raise no_such("widget")
    return answered({"config": dict(row)})


@router.put(
    "/config", summary="Change a widget's configuration", response_model=Done,
    responses=refuses(NOT_FOUND), dependencies=[Once],
)  # fmt: skip
async def configure(
    request: Request,
    caller: Admin,
    sent: Annotated[Taken[WidgetConfigSent], Depends(Takes(WidgetConfigSent))],
) -> Response:
    """Partial: a setting that is left out stays. A setting nobody knows is refused."""
    property_id = sent.said.property_id
    await caller.demand_property(core_of(request), property_id)

    async def work(uow: UnitOfWork) -> Answer:
        await uow.do(ConfigureWidget(property_id, sent.said.config.changes, caller.id))
        return {"success": True}

    return await written(request, caller, caller.scope(property_id), sent.raw, work)


@router.post(
    "/regenerate-key", summary="A new key for a widget", response_model=KeyIssued,
    responses=refuses(NOT_FOUND, KEY), dependencies=[Once],
)  # fmt: skip
async def regenerate_key(
    request: Request,
    caller: Admin,
    sent: Annotated[Taken[KeyWanted], Depends(Takes(KeyWanted))],
) -> Response:
    """The key is shown this once, and to a repeat of this very request; only its hash is kept."""
    core, property_id = core_of(request), sent.said.property_id
    await caller.demand_property(core, property_id)
    scope, seed = caller.scope(property_id), secrets.token_hex(32)
    until = None
    if sent.said.overlap_hours:
        until = scope.at + timedelta(hours=sent.said.overlap_hours)
    hashed = _hash(key_of(core.signing_key, seed))
    issue = IssueKey(property_id, uuid7(), hashed, until, caller.id)

    async def work(uow: UnitOfWork) -> dict[str, str | None]:
        decided = await uow.do(issue)
        ends = [one.previous_valid_until for one in decided if isinstance(one, WidgetKeyIssued)]
        until = ends[0].isoformat() if ends and ends[0] else None
        return {"seed": seed, "hash": hashed, "until": until}

    done = await transact(core.pool, scope, work, once=command_of(request, caller, sent.raw))
    key = key_of(core.signing_key, str(done.result["seed"]))
    if _hash(key) != done.result["hash"]:
        raise Problem(
            409, "key_not_shown_again",
            "the key was issued under another signing secret and cannot be shown again: regenerate "
            "it with a new Idempotency-Key, and set CRM_SIGNING_SECRET so that it stays the same",
        )  # fmt: skip
    return answered(
        {
            "apiKey": key,
            "previousValidUntil": _utc(done.result["until"]),
        },
        200,
        done.token,
    )


def key_of(signing_key: bytes, seed: str) -> str:
    """The widget key that a seed stands for: a seed may be kept, for without the secret it is
    nothing."""
    said = hmac.new(signing_key, b"widget-key/" + seed.encode(), hashlib.sha256).digest()
    return f"lk_{base64.urlsafe_b64encode(said).decode().rstrip('=')}"


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _utc(instant: str | None) -> str | None:
    return instant.replace("+00:00", "Z") if instant else None
