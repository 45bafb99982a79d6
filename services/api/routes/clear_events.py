"""Routes with which services read events with their personal values in clear."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from events.log import sequencer
from events.log.read import COLUMNS
from services.api.auth.api_clients import ApiClient, EventReader
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import ApiContext, context_of
from services.api.error_codes import CLEAR_EVENTS, NOT_FOUND, error_responses
from services.api.problems import RETRY_SECONDS, Problem, not_found
from services.api.reading import CompiledQuery
from services.api.responses import json_response
from services.api.schemas import example
from services.api.schemas.clear_events import ClearEventListResponse, ClearEventResponse
from services.application.clear_events import ClearEvent, account_reads, open_rows

MAX_EVENTS = 100
SCANNED_POSITIONS = 10_000
"""Positions that one request looks at, at most: most of them can be of other organisations."""
_Types = Annotated[
    str,
    Query(
        pattern=r"^([a-z]+\.[a-z_]+(,[a-z]+\.[a-z_]+)*)?$", max_length=2_000,
        description="Only events of these types, separated by commas; of all types if empty.",
    ),
]  # fmt: skip
_ONE = f"SELECT {COLUMNS} FROM crm_api.key_events WHERE id = $1"
_PAGE = (
    f"SELECT {COLUMNS} FROM crm_api.key_events WHERE position > $1 AND position <= $2 "
    "AND ($3::text[] IS NULL OR event_type = ANY ($3)) ORDER BY position LIMIT $4"
)

router = APIRouter(prefix="/api/events", tags=["events"])


@router.get(
    "", summary="List events with personal values in clear",
    response_model=ClearEventListResponse, responses=error_responses(CLEAR_EVENTS),
    dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_clear_events(
    request: Request,
    caller: EventReader,
    after: Annotated[
        int, Query(ge=0, lt=2**63, description="The position after which to read on.")
    ] = 0,
    types: _Types = "",
    limit: Annotated[int, Query(ge=1, le=MAX_EVENTS)] = MAX_EVENTS,
) -> Response:
    """Return the next events that the key opens, by position.

    A consumer stores `next` together with its result, and sends it as `after`. A page ends before
    an event whose data key is missing; if that is the first one, the response is 503. Each read of
    personal values is recorded with the key and the ids of the events.
    """
    context = context_of(request)
    async with context.pool.acquire() as conn:
        # Before the query: all rows up to this position are visible to it.
        log = await sequencer.read_log_state(conn)
    upto = min(log.position, after + SCANNED_POSITIONS)
    values = (after, upto, types.split(",") if types else None, limit)
    async with read_as(context.pool, caller.claims) as key_conn:
        rows = await key_conn.all(CompiledQuery(_PAGE, values))
    events = await _open(context, caller, rows)
    is_complete = len(events) == len(rows) < limit
    reached = max(after, upto) if is_complete else events[-1].recorded.position
    return json_response({
        "events": [event.document(log) for event in events],
        "next": str(reached), "hasMore": reached < log.position, "generation": log.generation,
    })  # fmt: skip


@router.get(
    "/{event_id}", summary="Get an event with personal values in clear",
    response_model=ClearEventResponse, responses=error_responses(NOT_FOUND, CLEAR_EVENTS),
    dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def get_clear_event(
    request: Request,
    caller: EventReader,
    event_id: Annotated[UUID, Path(examples=[example.EVENT])],
) -> Response:
    """Return an event that the key opens, such as one whose id came with the topic of events.

    Each read of personal values is recorded with the key and the id of the event.
    """
    context = context_of(request)
    async with read_as(context.pool, caller.claims) as key_conn:
        rows = await key_conn.all(CompiledQuery(_ONE, (event_id,)))
    if not rows:
        raise not_found("event")
    async with context.pool.acquire() as conn:
        log = await sequencer.read_log_state(conn)
    [event] = await _open(context, caller, rows)
    return json_response({"event": event.document(log)})


async def _open(context: ApiContext, caller: ApiClient, rows: Sequence[Any]) -> list[ClearEvent]:
    """Return the events, and account the read. Raise 503 if the first one cannot be read."""
    events, missing = await open_rows(context.pool, rows)
    if missing is not None and not events:
        raise Problem(
            503, "data_key_missing",
            f"the data key of event {rows[0]['id']} is missing in the key store, so its personal "
            "values cannot be read; the person was not erased. Ask the operator to restore the "
            "key store, and try again",
            headers={"Retry-After": str(RETRY_SECONDS)},
        )  # fmt: skip
    async with context.pool.acquire() as conn:
        await account_reads(conn, caller.org_id, caller.key.reader, events)
    return events
