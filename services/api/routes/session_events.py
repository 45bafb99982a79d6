"""The widget's chat as server-sent events: an agent's answer reaches the visitor when it is there.

An event's id is its message's, so a browser that reconnects misses nothing and sees nothing twice.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from services.api.auth.callers import Listening, Visitor
from services.api.context import Core, core_of
from services.api.error_codes import NOT_FOUND, SINCE, STREAM, refuses
from services.api.new_messages import MOST_MESSAGES, Since, read_since
from services.api.problems import Problem
from services.api.responses import Reached, json_of
from services.api.schemas import example
from services.api.schemas.chat import MessagesSince
from services.api.session_listeners import CUT, Listener
from services.runtime.logging import get_logger

HEARTBEAT_SECONDS = 15.0
RECONNECT_MILLISECONDS = 2_000
AGAIN_SECONDS = 1.0
"""The database is away: nothing is new until it is back."""

log = get_logger("stream")
router = APIRouter(prefix="/api/lumaleasing", tags=["widget"])


class Stream(StreamingResponse):
    """A stream that gives its place back however it ends, also when it never began."""

    media_type = "text/event-stream"

    def __init__(self, content: AsyncIterator[bytes], core: Core, listening: Listener) -> None:
        super().__init__(content, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._core, self._listening = core, listening

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._core.listening.leave(self._listening)


_SHOWN: dict[str, Any] = {
    "text/event-stream": {
        "examples": {
            "an-agent-answered": {
                "summary": "an agent answered",
                "value": f"id: {example.MESSAGE}\ndata: "
                + json_of(MessagesSince.examples["an agent answered"]["messages"][0]).decode()
                + "\n\n",
            }
        }
    }
}


@router.get(
    "/chat/stream", summary="What is said in a session, as server-sent events",
    status_code=200, response_class=Stream, response_model=None,
    responses={200: {"content": _SHOWN}, **refuses(SINCE, NOT_FOUND, STREAM)},
    dependencies=[Reached],
)  # fmt: skip
async def listen(
    request: Request,
    caller: Listening,
    session: Annotated[UUID, Query(alias="sessionId", examples=[example.SESSION])],
    after: Annotated[str | None, Query(max_length=100)] = None,
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", json_schema_extra={"maxLength": 100})
    ] = None,
) -> Response:
    """Each message is an event with its id and, as JSON, what polling answers; an event `state`
    says whether a person has the conversation. It goes on after `Last-Event-ID`, or `after`. A
    stream ends after some minutes: an EventSource comes again by itself."""
    core = core_of(request)
    if last_event_id is not None and len(last_event_id) > 100:
        raise Problem(400, "invalid_after", "Last-Event-ID is the id of a message")
    first = await read_since(core, caller, session, None, last_event_id or after)
    joined = core.listening.join(session)
    return Stream(_events(core, caller, joined, first), core, joined)


async def _events(
    core: Core, caller: Visitor, joined: Listener, since: Since
) -> AsyncIterator[bytes]:
    """Until its time is over, the process stops, or the visitor goes away (cancelled then)."""
    ends = time.monotonic() + core.settings.stream_seconds
    told: dict[str, Any] | None = None
    yield format_sse_event(retry=RECONNECT_MILLISECONDS)
    while True:
        for said in since.messages:
            yield format_sse_event(data_str=json_of(said).decode(), id=str(said["id"]))
        if since.state != told:
            told = since.state
            yield format_sse_event(data_str=json_of(told).decode(), event="state")
        left = ends - time.monotonic()
        if core.listening.ended or left <= 0:
            return
        if len(since.messages) < MOST_MESSAGES and not await _woken(joined, left):
            yield KEEPALIVE_COMMENT
        joined.changed.clear()
        try:
            since = await read_since(core, caller, joined.session_id, since.place)
        except CUT as error:
            log.warning("stream.failed", error=type(error).__name__)
            since = replace(since, messages=[])
            await asyncio.sleep(AGAIN_SECONDS)
            joined.changed.set()


async def _woken(joined: Listener, left: float) -> bool:
    """Wait until something may be new, a heartbeat is due, or the stream's time is over."""
    try:
        await asyncio.wait_for(joined.changed.wait(), min(left, HEARTBEAT_SECONDS))
    except TimeoutError:
        return False
    return True
