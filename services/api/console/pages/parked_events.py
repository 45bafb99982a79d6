"""A parked event, and the forms that try all of them again or drop one."""

from typing import Any
from uuid import UUID

import asyncpg
from starlette.responses import Response

from services.api.console.endpoints import command_id, form_route, page_route
from services.api.console.forms import Done, Form
from services.api.console.page import Page
from services.api.console.reasons import require_reason
from services.api.problems import Problem, not_found
from services.application import parked_events
from services.application.changed_rows import describe_preview
from services.application.operator_actions import record_action
from services.application.operator_requests import RequestKind, insert_request
from services.application.parked_events import NotParked

LIST = "/console/refused?kind=parked"


async def show_parked_event(page: Page) -> Response:
    """Show one parked event with its reason; its payload is on the event's page."""
    return page.render("parked_event.html", parked=await _find(page))


async def prepare_retry(page: Page) -> dict[str, Any]:
    """Return how many events would be tried again, and the rows that this would change.

    With an event in the address, only the rows of that event are shown.
    """
    event_id = _read_event_id(page)
    async with page.context.pool.acquire() as conn:
        count = await parked_events.count_parked(conn, behind=False)
        total = await parked_events.count_parked(conn, behind=True)
    preview = await parked_events.preview_retry(page.context.pool, event_id)
    return {
        "count": count, "total": total, "event_id": event_id,
        "preview": describe_preview(preview, [event_id] if event_id else ()),
    }  # fmt: skip


async def request_retry(page: Page, form: Form) -> Done:
    """Ask the replay worker to try all parked events again."""
    reason, action_id = require_reason(form), UUID(command_id(form))
    async with page.context.pool.acquire() as conn, conn.transaction():
        if await record_action(conn, action_id, page.viewer.id, "retry_parked", {}, reason):
            await insert_request(conn, action_id, RequestKind.RETRY_PARKED, {})
    notice = "All parked events are tried again. The result appears here."
    return Done(LIST, notice, f"{LIST}#request-{action_id}")


async def prepare_drop(page: Page) -> dict[str, Any]:
    """Return the event that would be dropped."""
    return {"parked": await _find(page)}


async def drop_event(page: Page, form: Form) -> Done:
    """Append `parked.dropped`, and ask the replay worker to apply the events behind it."""
    reason, action_id = require_reason(form), UUID(command_id(form))
    event_id, dropped_id = page.id("event_id"), None
    async with page.context.pool.acquire() as conn, conn.transaction():
        target = {"event_id": str(event_id)}
        if await record_action(conn, action_id, page.viewer.id, "drop_parked", target, reason):
            row = await parked_events.find_parked(conn, event_id)
            if row is None or row["behind"]:
                raise _not_parked(row)
            actor = f"user:{page.viewer.id}"
            try:
                dropped_id = await parked_events.drop_parked(
                    conn, row, reason, actor, page.viewer.id
                )
            except NotParked:
                raise _not_parked(None) from None
            await insert_request(conn, action_id, RequestKind.RETRY_PARKED, {})
    link = f"/console/events/{dropped_id}" if dropped_id else None
    return Done(LIST, "The event is dropped. The events behind it are applied now.", link)


def _read_event_id(page: Page) -> UUID | None:
    text = page.query.get("event")
    try:
        return UUID(text) if text else None
    except ValueError:
        raise not_found("parked event") from None


async def _find(page: Page) -> asyncpg.Record:
    async with page.context.pool.acquire() as conn:
        row = await parked_events.find_parked(conn, page.id("event_id"))
    if row is None:
        raise not_found("parked event")
    return row


def _not_parked(row: asyncpg.Record | None) -> Problem:
    if row is None:
        return Problem(409, "not_parked", "the event is not parked any more: nothing was dropped")
    return Problem(409, "behind", "it only waits behind another event: drop or repair that one")


ROUTES = (
    form_route("/refused/parked/retry", "parked_retry.html", prepare_retry, request_retry,
               for_operators=True),
    page_route("/refused/parked/{event_id}", show_parked_event, for_operators=True),
    form_route("/refused/parked/{event_id}/drop", "parked_drop.html", prepare_drop, drop_event,
               for_operators=True),
)  # fmt: skip
