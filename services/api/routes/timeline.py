"""Route of a lead's timeline: everything about the lead, newest first."""

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, get_args
from uuid import UUID

import orjson
from fastapi import APIRouter, Query
from sqlalchemy import Select
from starlette.requests import Request
from starlette.responses import Response

from projections import timeline
from services.api.auth.console_authentication import ConsoleReader
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.error_codes import CURSOR, NOT_FOUND, error_responses
from services.api.problems import Problem
from services.api.property_lookup import load_surviving_lead
from services.api.reading import CompiledQuery, PreparedQuery
from services.api.responses import json_response
from services.api.schemas.schema import BLANK_TO_NONE, LeadId
from services.api.schemas.timeline import TimelineKind, TimelineResponse
from services.application.planned_actions import (
    PlannedAction,
    PlannedKind,
    list_planned_actions,
)

PAGE_SIZE = 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

router = APIRouter(prefix="/api/leads/{lead_id}/timeline", tags=["leads"])


@router.get(
    "", summary="Get a page of a lead's timeline", response_model=TimelineResponse,
    responses=error_responses(CURSOR, NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def get_timeline(
    request: Request,
    caller: ConsoleReader,
    lead_id: LeadId,
    kind: Annotated[TimelineKind | None, BLANK_TO_NONE, Query()] = None,
    cursor: Annotated[str | None, Query(max_length=300)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = PAGE_SIZE,
) -> Response:
    """Return what happened, newest first; with `kind` only entries of this kind.

    The first page also has what is planned.
    """
    context = context_of(request)
    before = None if not cursor else decode_cursor(cursor)
    async with read_as(context.pool, caller.claims) as conn:
        lead = await load_surviving_lead(conn, caller, lead_id)
        # One row more than the page: it tells whether there is a next page.
        rows = await conn.all(_page_query(caller.org_id, lead["members"], before, limit + 1, kind))
    items = [{"kind": row.kind, "id": row.id, "at": row.at, **row.data} for row in rows[:limit]]
    last = rows[limit - 1] if len(rows) > limit else None
    next_cursor = None if last is None else encode_cursor((last.at, last.kind, last.id))
    planned: list[dict[str, Any]] = []
    if before is None:
        async with context.pool.acquire() as pool_conn:
            actions = await list_planned_actions(pool_conn, caller.org_id, lead["members"])
        planned = [_planned_item(action) for action in actions]
    return json_response({"items": items, "planned": planned, "nextCursor": next_cursor})


def _page_query(
    org_id: UUID,
    lead_ids: Sequence[UUID],
    before: timeline.TimelinePosition | None,
    limit: int,
    kind: TimelineKind | None,
) -> "CompiledQuery | Select[Any]":
    """Return the query of a page, prepared for the first page of a person with one lead."""
    if before is None and len(lead_ids) == 1:
        return _FIRST_PAGES[kind](org_id=org_id, lead_id=lead_ids[0], limit=limit)
    return timeline.page(org_id, lead_ids, before, limit, kind)


def _build_first_page(
    org_id: UUID, lead_id: UUID, limit: int, *, only: TimelineKind | None
) -> "Select[Any]":
    return timeline.page(org_id, [lead_id], None, limit, only)


_FIRST_PAGES = {
    kind: PreparedQuery(_build_first_page, "org_id", "lead_id", "limit", only=kind)
    for kind in (None, *get_args(TimelineKind))
}
"""Kind of all entries, None for all kinds → the query of the first page."""


def _planned_item(action: PlannedAction) -> dict[str, Any]:
    return {
        **action.details,
        "kind": action.kind,
        "id": action.entity_id,
        "at": action.at,
        "description": action.description,
        "cancel": _cancel_request(action),
    }


def _cancel_request(action: PlannedAction) -> dict[str, Any]:
    """Return the request with which a user cancels the action."""
    lead = f"/api/leads/{action.lead_id}"
    match action.kind:
        case PlannedKind.MESSAGE:
            return {"method": "DELETE", "path": f"{lead}/deliveries/{action.entity_id}"}
        case PlannedKind.STEP:
            body = {"action": "stop", "runId": action.entity_id}
            return {"method": "PATCH", "path": f"{lead}/workflow", "body": body}
        case PlannedKind.NO_SHOW_CHECK:
            return {"method": "DELETE", "path": f"{lead}/tours?tourId={action.entity_id}"}


def encode_cursor(key: timeline.TimelinePosition) -> str:
    """Return the sort key of an entry as text that is opaque to clients."""
    at, kind, entry_id = key
    content = orjson.dumps([(at - _EPOCH) // _MICROSECOND, kind, str(entry_id)])
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def decode_cursor(text: str) -> timeline.TimelinePosition:
    """Return the sort key of a cursor. Raise 400 for a malformed one."""
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        microseconds, kind, entry_id = orjson.loads(content)
        if not isinstance(kind, str) or not kind.isalpha():
            raise ValueError("kind is not a word")
        return _EPOCH + microseconds * _MICROSECOND, kind, UUID(entry_id)
    except (binascii.Error, ValueError, TypeError, AttributeError, OverflowError):
        raise Problem(
            400, "malformed_cursor",
            f"cursor {text[:100]!r} is malformed: send nextCursor of a response unchanged",
        ) from None  # fmt: skip
