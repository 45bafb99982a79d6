"""The projections: versions and rows, and the forms that rebuild or verify them."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from starlette.responses import Response

from events.log import sequencer
from projections.catalog import LIVE
from services.api.console.endpoints import command_id, form_route, page_route
from services.api.console.forms import Done, Form
from services.api.console.page import Page
from services.api.console.reasons import require_reason
from services.api.console.words import describe_count
from services.api.problems import Problem, not_found
from services.application.operator_actions import record_action
from services.application.operator_requests import (
    OperatorRequest,
    RequestKind,
    cancel_request,
    find_request,
    insert_request,
    list_requests,
)
from services.application.pipeline_reading import read_group, read_sessions
from services.application.pipeline_state import GroupState
from services.application.projection_states import ProjectionState, list_projections

LIST = "/console/projections"
KINDS = (RequestKind.REBUILD, RequestKind.VERIFY)
WORKER = "crm replay_worker"


async def show_projections(page: Page) -> Response:
    """Show the versions and the rows of all projections, and what operators asked for."""
    async with page.context.pool.acquire() as conn:
        group = await read_group(conn, LIVE, await sequencer.read_log_state(conn))
        states = await list_projections(conn, group)
        requests = await list_requests(conn, KINDS)
    return page.render(
        "projections.html", states=states, requests=requests, group=group,
        answer=answer_of(states, group), verified=_last_verifications(requests),
    )  # fmt: skip


def answer_of(states: list[ProjectionState], group: GroupState) -> str:
    """Return the sentence that says whether the tables are of this build and up to date."""
    outdated = [state.name for state in states if not state.is_current]
    if outdated:
        verb = "is" if len(outdated) == 1 else "are"
        return f"{', '.join(outdated)} {verb} not of this build: rebuild what is named here."
    return (
        f"All {len(states)} projections are of this build, "
        f"{describe_count(group.lag_events, 'event')} and {group.lag_seconds:.1f} s behind the log."
    )


async def show_request(page: Page) -> Response:
    """Show a rebuild or a verification: its progress, then the comparison of each table."""
    async with page.context.pool.acquire() as conn:
        request = await find_request(conn, page.id("request_id"))
    if request is None or request.kind not in KINDS:
        raise not_found("request")
    return page.render("projection_request.html", request=request, answer=describe(request))


def describe(request: OperatorRequest) -> str:
    """Return what became of a request, in one sentence."""
    verb = "Rebuild" if request.kind is RequestKind.REBUILD else "Verification"
    names: list[str] = request.parameters["names"]
    what = f"{verb} of {', '.join(names) if names else 'all projections'}"
    result = request.result
    if result is None:
        if request.status == "failed":
            return f"{what} failed: {request.error}."
        if request.status == "waiting":
            return f"{what} waits for a replay worker."
        if request.status == "cancelled":
            return f"{what} was cancelled: the live tables are as they were."
        if request.is_cancelled:
            return f"{what} is being cancelled: it stops at the next safe point."
        progress = f": {request.stage} {request.done:,} of {request.total:,}"
        return f"{what} is running{progress if request.stage else ''}{describe_rate(request)}."
    if result["swapped"]:
        return f"{what} is done, and the rebuilt tables are live."
    if not result["equal"]:
        return f"{what} found differences, and nothing was swapped."
    if result["parked"]:
        parked = describe_count(result["parked"], "event")
        return f"{what} found no difference; {parked} parked."
    return f"{what} found no difference: live = rebuilt."


def describe_rate(request: OperatorRequest) -> str:
    """Return the rate and the time that the stage still takes, if they are known."""
    rate, left = request.per_second, request.seconds_left
    if rate is None or left is None or left <= 0:
        return ""
    span = f"{left:.0f} s" if left < 120 else f"{left / 60:.0f} min"
    return f", {rate:,.0f} in a second, about {span} left"


async def prepare_cancel(page: Page) -> dict[str, Any]:
    """Return the request that would be cancelled. Raise 409 if it has ended."""
    async with page.context.pool.acquire() as conn:
        request = await find_request(conn, page.id("request_id"))
    if request is None or request.kind not in KINDS:
        raise not_found("request")
    if not request.is_open:
        raise _ended()
    return {"request": request, "answer": describe(request)}


async def cancel(page: Page, form: Form) -> Done:
    """Cancel a rebuild or a verification; its worker stops at the next safe point."""
    reason, action_id = require_reason(form), UUID(command_id(form))
    request_id = page.id("request_id")
    async with page.context.pool.acquire() as conn, conn.transaction():
        request = await find_request(conn, request_id)
        if request is None or request.kind not in KINDS:
            raise not_found("request")
        target = {"request_id": str(request_id)}
        if await record_action(
            conn, action_id, page.viewer.id, "cancel_request", target, reason
        ) and not await cancel_request(conn, request_id):
            raise _ended()
    return Done(f"{LIST}/requests/{request_id}", "The request is cancelled.")


def _ended() -> Problem:
    return Problem(409, "request_ended", "the request has ended already: nothing was cancelled")


async def prepare_request(page: Page) -> dict[str, Any]:
    """Return the projections of the address with their rows, and whether a worker is there."""
    names = _read_names(page)
    async with page.context.pool.acquire() as conn:
        log = await sequencer.read_log_state(conn)
        states = await list_projections(conn, await read_group(conn, LIVE, log))
        requests = await list_requests(conn, KINDS, limit=1)
        sessions = await read_sessions(conn)
    return {
        "names": names, "events": log.position,
        "chosen": [state for state in states if not names or state.name in names],
        "other": next((request for request in requests if request.is_open), None),
        "has_worker": WORKER in sessions,
    }  # fmt: skip


def _request(kind: RequestKind) -> Callable[[Page, Form], Awaitable[Done]]:
    async def request_replay(page: Page, form: Form) -> Done:
        """Ask the replay worker to rebuild or verify projections."""
        reason, action_id = require_reason(form), UUID(command_id(form))
        target = {"names": _read_names(page)}
        async with page.context.pool.acquire() as conn, conn.transaction():
            if await record_action(conn, action_id, page.viewer.id, kind.value, target, reason):
                await insert_request(conn, action_id, kind, target)
        return Done(f"{LIST}/requests/{action_id}", "The replay worker does it. Follow it here.")

    return request_replay


def _read_names(page: Page) -> list[str]:
    """Return the projections of the address; none stands for all. Raise 400."""
    names = [name for name in page.query.get("names", "").split(",") if name]
    try:
        LIVE.subset(names, LIVE.name)
    except LookupError as error:
        raise Problem(400, "unknown_projection", str(error)) from None
    return names


def _last_verifications(requests: list[OperatorRequest]) -> dict[str, OperatorRequest]:
    """Return projection → its newest request that has a result."""
    found: dict[str, OperatorRequest] = {}
    for request in requests:
        if request.result is not None:
            names = request.parameters["names"] or [p.name for p in LIVE.projections]
            for name in names:
                found.setdefault(name, request)
    return found


ROUTES = (
    page_route("/projections", show_projections, for_operators=True),
    form_route("/projections/rebuild", "projection_rebuild.html", prepare_request,
               _request(RequestKind.REBUILD), for_operators=True),
    form_route("/projections/verify", "projection_verify.html", prepare_request,
               _request(RequestKind.VERIFY), for_operators=True),
    page_route("/projections/requests/{request_id}", show_request, for_operators=True),
    form_route("/projections/requests/{request_id}/cancel", "projection_cancel.html",
               prepare_cancel, cancel, for_operators=True),
)  # fmt: skip
