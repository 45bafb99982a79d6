"""Route of the messages of a property, of all its leads."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from projections import delivery_list
from projections.delivery_list import MAX_COUNTED, NOT_LEFT, STATES, DeliveryWindow
from projections.tours import LEAD_FIELDS
from services.api.auth.console_authentication import ConsoleReader
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.error_codes import CURSOR, NOT_FOUND, error_responses
from services.api.message_items import build_message_items, to_camel_case
from services.api.page_cursors import decode_cursor, encode_cursor
from services.api.property_lookup import require_property_row
from services.api.responses import json_response
from services.api.schemas import example
from services.api.schemas.property_deliveries import DeliveryState, PropertyDeliveryListResponse
from services.api.schemas.schema import BLANK_TO_NONE
from services.application.message_states import load_message_states

PAGE_SIZE, MAX_PAGE_SIZE = 25, 50
"""Each message that may still be sent is judged by the rules of sending: pages are short."""
DEFAULT_DAYS, MAX_DAYS = 7, 90

router = APIRouter(prefix="/api/deliveries", tags=["workflows"])


@router.get(
    "", summary="List the messages of a property", response_model=PropertyDeliveryListResponse,
    responses=error_responses(NOT_FOUND, CURSOR), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_property_deliveries(
    request: Request,
    caller: ConsoleReader,
    property_id: Annotated[UUID, Query(alias="propertyId", examples=[example.PROPERTY])],
    state: Annotated[DeliveryState | None, BLANK_TO_NONE, Query()] = None,
    days: Annotated[int, Query(ge=1, le=MAX_DAYS)] = DEFAULT_DAYS,
    cursor: Annotated[str | None, BLANK_TO_NONE, Query(max_length=300)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE)] = PAGE_SIZE,
) -> Response:
    """Return the messages that were planned in the last `days`, and why they did not leave.

    Messages that wait are listed if they were planned in the last 90 days. Without `state`, the
    list has all that wait or did not leave.
    """
    context = context_of(request)
    now = context.clock.now()
    window = DeliveryWindow(property_id, now - timedelta(days=days), now - timedelta(days=MAX_DAYS))
    before = decode_cursor(cursor) if cursor else None
    statuses = STATES[state] if state else NOT_LEFT
    async with read_as(context.pool, caller.claims) as conn:
        await require_property_row(conn, caller, property_id)
        # One row more than the page: it tells whether there is a next page.
        rows = await conn.all(delivery_list.page(window, statuses, before, limit + 1))
        counted = await conn.all(delivery_list.counts(window))
        first = await conn.all(delivery_list.next_to_leave(window))
    shown = rows[:limit]
    items = await _build_items(context, now, [*shown, *first])
    numbers = {row["status"]: row["messages"] for row in counted}
    last = shown[-1] if len(rows) > limit else None
    return json_response({
        "deliveries": [items[row["id"]] for row in shown if row["id"] in items],
        "nextCursor": None if last is None else encode_cursor(last["planned_at"], last["id"]),
        "counts": to_camel_case({
            name: sum(numbers.get(status, 0) for status in group)
            for name, group in STATES.items()
        }),
        "countsComplete": sum(numbers.values()) < MAX_COUNTED,
        "next": items.get(first[0]["id"]) if first else None,
    })  # fmt: skip


async def _build_items(context: Any, now: Any, rows: Sequence[Any]) -> dict[UUID, dict[str, Any]]:
    """Return id → message, with its state from the log, its lead and its workflow."""
    found = {row["id"]: row for row in rows}
    async with context.pool.acquire() as pool_conn:
        states = await load_message_states(pool_conn, list(found))
        items = await build_message_items(pool_conn, states, now)
    return {
        item["id"]: item
        | {
            "lead": {name: found[item["id"]][f"lead_{name}"] for name in LEAD_FIELDS},
            "workflow": found[item["id"]]["workflow"],
        }
        for item in items
    }
