"""The preview of a redrive: the intake tries it and rolls it back; the result has a page."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.responses import Response

from services.api.console.endpoints import command_id, form_route, page_route
from services.api.console.forms import Done, Form
from services.api.console.page import Page
from services.api.console.pages.dead_letters import read_open_filter
from services.api.problems import not_found
from services.application import dead_letters
from services.application.operator_actions import record_action
from services.application.operator_requests import (
    OperatorRequest,
    RequestKind,
    find_request,
    insert_request,
)

REASON = "to see what a redrive would change"


async def prepare_preview(page: Page) -> dict[str, Any]:
    """Return how many open dead letters the address selects."""
    async with page.context.pool.acquire() as conn:
        return {"count": await dead_letters.count(conn, read_open_filter(page))}


async def request_preview(page: Page, form: Form) -> Done:
    """Ask the intake to try a redrive of the selected dead letters, and to roll it back."""
    action_id, target = UUID(command_id(form)), read_open_filter(page).to_json()
    kind = RequestKind.PREVIEW_REDRIVE
    async with page.context.pool.acquire() as conn, conn.transaction():
        if await record_action(conn, action_id, page.viewer.id, kind.value, target, REASON):
            await insert_request(conn, action_id, kind, target)
    return Done(f"/console/refused/previews/{action_id}", "The intake tries it now.")


async def show_preview(page: Page) -> Response:
    """Show what a redrive would change, once the intake has tried it."""
    async with page.context.pool.acquire() as conn:
        request = await find_request(conn, page.id("request_id"))
    if request is None or request.kind is not RequestKind.PREVIEW_REDRIVE:
        raise not_found("request")
    return page.render(
        "dead_preview_result.html", request=request, answer=describe(request),
        query=_query_of(request),
    )  # fmt: skip


def describe(request: OperatorRequest) -> str:
    """Return what the redrive would do, in one sentence."""
    result = request.result
    if result is None:
        if request.error:
            return f"The preview failed: {request.error}."
        if request.status == "cancelled":
            return "The preview was cancelled: nothing was tried."
        return "The intake has not tried it yet."
    records, tried = result["records"], result["tried"]
    were_tried = "" if tried == records else f" {tried:,} {'was' if tried == 1 else 'were'} tried:"
    return (
        f"Of {records:,} {'record' if records == 1 else 'records'},{were_tried} "
        f"{result['accepted']:,} would be accepted, {result['duplicate']:,} are in the log "
        f"already, {result['waiting']:,} would wait for their subject, {result['dead']:,} would "
        "be refused again."
    )


def _query_of(request: OperatorRequest) -> str:
    """Return the filter of a request as the address of the form of a redrive has it."""
    chosen = request.parameters
    names = {"reason": "reason", "property_id": "property", "event_type": "type",
             "source": "source"}  # fmt: skip
    query = {short: chosen[name] for name, short in names.items() if chosen[name]}
    if chosen["ids"]:
        query["id"] = ",".join(chosen["ids"])
    return urlencode(query)


ROUTES = (
    form_route("/refused/dead/preview", "dead_preview.html", prepare_preview, request_preview,
               for_operators=True),
    page_route("/refused/previews/{request_id}", show_preview, for_operators=True),
)  # fmt: skip
