"""The event stream of an open page: the names of what changed, so that it reads these parts again.

The data of an event is only a position of the log. A page reads as its own viewer, under row level
security.
"""

import asyncio
import time
from collections.abc import AsyncIterator

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from services.api.console.change_feed import EVERYTHING, ChangeFeed, OpenPage
from services.api.console.endpoints import page_route
from services.api.console.page import Page
from services.api.console.table_age import render_age

HEARTBEAT_SECONDS = 15.0
RECONNECT_MILLISECONDS = 2_000
PAUSE_SECONDS = 0.4
"""The time between changes that a page gets. It is longer than the delay after which a part of a
page is read again: otherwise a property that always changes would put the read off for ever."""


def live_route() -> Route:
    """Return the route of the event stream."""
    return page_route("/properties/{property_id}/live", stream_changes)


async def stream_changes(page: Page) -> Response:
    """Return an endless response with an event for each kind of change. It ends after minutes."""
    feed: ChangeFeed = page.request.app.state.change_feed
    opened = feed.open(page.here.id)
    return ChangeStream(
        feed, opened, page.settings.stream_seconds, for_operator=page.viewer.is_operator
    )


class ChangeStream(StreamingResponse):
    """The response of an open page, which is closed when the response ends."""

    def __init__(
        self, feed: ChangeFeed, opened: OpenPage, seconds: float, *, for_operator: bool
    ) -> None:
        self._feed, self._opened = feed, opened
        super().__init__(
            _format_changes(feed, opened, seconds, for_operator=for_operator),
            media_type="text/event-stream", headers={"X-Accel-Buffering": "no"},
        )  # fmt: skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._feed.close(self._opened)


async def _format_changes(
    feed: ChangeFeed, opened: OpenPage, seconds: float, *, for_operator: bool
) -> AsyncIterator[bytes]:
    ends_at = time.monotonic() + seconds
    yield format_sse_event(retry=RECONNECT_MILLISECONDS)
    # A page that connects again does not know what it missed.
    yield format_sse_event(event=EVERYTHING, data_str="connected")
    while not feed.ended and (seconds_left := ends_at - time.monotonic()) > 0:
        if not await _has_changed(opened, min(seconds_left, HEARTBEAT_SECONDS)):
            yield KEEPALIVE_COMMENT
            continue
        data = "changed" if opened.position is None else str(opened.position)
        if opened.has_new_age:
            opened.has_new_age = False
            line = render_age(opened.age, for_operator=for_operator)
            yield format_sse_event(event="table-age", data_str=line)
        if names := sorted(opened.take()):
            # In one piece: a part of a page that follows several names is read once.
            yield b"".join(format_sse_event(event=name, data_str=data) for name in names)
            await asyncio.sleep(PAUSE_SECONDS)


async def _has_changed(opened: OpenPage, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await opened.changed.wait()
    except TimeoutError:
        return False
    return True
