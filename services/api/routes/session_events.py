"""The messages of a visitor's session as server-sent events.

The id of an event is the id of its message. A browser that reconnects sends the last one, so it
misses no message and gets none twice.
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

from services.api.auth.visitors import Visitor
from services.api.auth.widget_authentication import StreamVisitor
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import ApiContext, context_of
from services.api.error_codes import MESSAGE_CURSOR, NOT_FOUND, STREAM, error_responses
from services.api.problems import Problem
from services.api.responses import encode_json
from services.api.schemas import example
from services.api.schemas.chat import SessionMessagesResponse
from services.api.session_listeners import READ_ERRORS, Listener
from services.api.session_messages import MAX_MESSAGES, SessionMessages, read_messages
from services.runtime.logging import get_logger

HEARTBEAT_SECONDS = 15.0
RECONNECT_MILLISECONDS = 2_000
MAX_EVENT_ID_LENGTH = 100
PAUSE_AFTER_ERROR_SECONDS = 1.0

log = get_logger("stream")
router = APIRouter(prefix="/api/lumaleasing", tags=["widget"])


class SessionEventStream(StreamingResponse):
    """A response that removes its listener when it ends, also if it never began.

    The generator's own clean-up does not run if the client disconnects before the first event.
    """

    media_type = "text/event-stream"

    def __init__(
        self, content: AsyncIterator[bytes], context: ApiContext, listener: Listener
    ) -> None:
        super().__init__(content, headers={"X-Accel-Buffering": "no"})
        self._context, self._listener = context, listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._context.listeners.leave(self._listener)


_EXAMPLE: dict[str, Any] = {
    "text/event-stream": {
        "examples": {
            "a-message-of-an-agent": {
                "summary": "a message of an agent",
                "value": f"id: {example.MESSAGE}\ndata: "
                + encode_json(
                    SessionMessagesResponse.examples["a message of an agent"]["messages"][0]
                ).decode()
                + "\n\n",
            }
        }
    }
}


@router.get(
    "/chat/stream", summary="Stream the messages of a session as server-sent events",
    status_code=200, response_class=SessionEventStream, response_model=None,
    responses={
        200: {"content": _EXAMPLE},
        **error_responses(MESSAGE_CURSOR, NOT_FOUND, STREAM),
    },
    dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def stream_chat_messages(
    request: Request,
    caller: StreamVisitor,
    session: Annotated[UUID, Query(alias="sessionId", examples=[example.SESSION])],
    after: Annotated[str | None, Query(max_length=MAX_EVENT_ID_LENGTH)] = None,
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", json_schema_extra={"maxLength": 100})
    ] = None,
) -> Response:
    """Return an endless response with one event per message.

    The data of an event is a message as polling returns it. An event named `state` tells whether
    an agent has taken the conversation over. The stream starts after `Last-Event-ID` or `after`.
    It ends after some minutes. A client that was authenticated by a ticket needs another one then.
    """
    context = context_of(request)
    if last_event_id is not None and len(last_event_id) > MAX_EVENT_ID_LENGTH:
        raise Problem(
            400, "invalid_after",
            f"Last-Event-ID has {len(last_event_id)} characters: send the id of a message",
        )  # fmt: skip
    first = await read_messages(context, caller, session, None, last_event_id or after)
    listener = context.listeners.join(first.session_id, caller.property_id, caller.network)
    return SessionEventStream(_format_events(context, caller, listener, first), context, listener)


async def _format_events(
    context: ApiContext, caller: Visitor, listener: Listener, batch: SessionMessages
) -> AsyncIterator[bytes]:
    """Yield events until the stream's time ends or the process stops."""
    ends_at = time.monotonic() + context.settings.stream_seconds
    sent_state: dict[str, Any] | None = None
    yield format_sse_event(retry=RECONNECT_MILLISECONDS)
    while True:
        for message in batch.messages:
            yield format_sse_event(data_str=encode_json(message).decode(), id=str(message["id"]))
        if batch.state != sent_state:
            sent_state = batch.state
            yield format_sse_event(data_str=encode_json(sent_state).decode(), event="state")
        seconds_left = ends_at - time.monotonic()
        if context.listeners.ended or seconds_left <= 0:
            return
        # A full batch may have a successor: read it at once.
        if len(batch.messages) < MAX_MESSAGES and not await _is_woken(listener, seconds_left):
            yield KEEPALIVE_COMMENT
        # Cleared before the read: a change during the read sets it again and is not lost.
        listener.changed.clear()
        try:
            batch = await read_messages(context, caller, listener.session_id, batch.read_point)
        except READ_ERRORS as error:
            # The stream stays open and continues at the same point when the database is back.
            log.warning("stream.failed", error=type(error).__name__, is_retry=True)
            batch = replace(batch, messages=[])
            await asyncio.sleep(PAUSE_AFTER_ERROR_SECONDS)
            listener.changed.set()


async def _is_woken(listener: Listener, seconds_left: float) -> bool:
    """Wait for a change; return False when a heartbeat is due or the stream's time ends."""
    try:
        async with asyncio.timeout(min(seconds_left, HEARTBEAT_SECONDS)):
            await listener.changed.wait()
    except TimeoutError:
        return False
    return True
