"""JSON responses, and the frame of every write: decide once, answer with a consistency token."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from starlette.requests import Request
from starlette.responses import Response

from projections.catalog import LIVE
from projections.engine import parked
from services.api.auth.console_users import ConsoleUser
from services.api.auth.visitors import Visitor
from services.api.change_reasons import explain_change
from services.api.consistency import TOKEN_HEADER, seal_token
from services.api.context import ApiContext, context_of
from services.api.idempotency import command_from_header
from services.api.table_fit import require_fitting_tables
from services.application.command_handler import transact
from services.application.command_result import CommandResult
from services.application.unit_of_work import UnitOfWork

ResponseBody = Mapping[str, Any]


EVENTS_HEADER = "X-CRM-Events"


def json_response(
    body: Any, status: int = 200, token: str | None = None, event_ids: Sequence[UUID] = ()
) -> Response:
    """Return a JSON response with instants in UTC.

    `token` is a sealed consistency token. `event_ids` are the events that a write has appended.
    """
    headers = {TOKEN_HEADER: token} if token else {}
    if event_ids:
        headers[EVENTS_HEADER] = ",".join(map(str, event_ids))
    return Response(encode_json(body), status, headers=headers, media_type="application/json")


def encode_json(body: Any) -> bytes:
    """Return JSON with sorted keys.

    A repeated request gets its result from the database, where the order of keys is lost. Sorted
    keys make both responses the same to the byte.
    """
    return orjson.dumps(body, default=str, option=_JSON_OPTIONS)


# With `default=str`, because ids of asyncpg and names of SQLAlchemy are subclasses of UUID and
# str, which orjson refuses.
_JSON_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


async def execute_write(
    request: Request,
    caller: Visitor | ConsoleUser,
    property_id: UUID,
    raw_body: bytes,
    work: Callable[[UnitOfWork], Awaitable[ResponseBody]],
    status: int = 200,
    *,
    row_ids: Sequence[UUID] = (),
    is_plain: bool = False,
) -> Response:
    """Run `work` in one transaction and return its result as the response.

    The reason that a console user gives is recorded with the change.

    With an Idempotency-Key, a repeated request gets the first result and `work` does not run.
    `is_plain`: see `transact`. `row_ids`: if a parked event touches one of them, the response is
    202 with that event.
    """
    context = context_of(request)
    await require_fitting_tables(context, caller)
    now = context.clock.now()

    command = command_from_header(request, caller, raw_body, now)

    async def work_to_json(uow: UnitOfWork) -> Any:
        result = await work(uow)
        await explain_change(uow, request, caller)
        # Stored as JSON for a repetition: the first response must be made from the same value.
        return result if command is None else orjson.loads(encode_json(result))

    scope = caller.scope(property_id, now)
    result = await transact(
        context.pool,
        scope,
        work_to_json,
        command_id=command,
        is_plain=is_plain,
        cache=context.streams,
    )
    body = result.result
    if row_ids and (event := await parked.find_blocking(context.pool, LIVE.name, row_ids)):
        event_id, reason = event
        body, status = {**body, "waitsFor": {"eventId": event_id, "reason": reason}}, 202
    return await write_response(context, caller, result, body, status)


async def write_response(
    context: ApiContext,
    caller: Visitor | ConsoleUser,
    result: CommandResult[Any],
    body: Any,
    status: int = 200,
) -> Response:
    """Return the response to a write, with its consistency token and its events.

    A visitor gets no ids of events: they contain the time of the write.
    """
    event_ids = result.event_ids if isinstance(caller, ConsoleUser) else ()
    return json_response(body, status, await seal_token(context, result.token), event_ids)
