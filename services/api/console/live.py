"""The event stream of an open page: the names of what changed, so that it reads these parts again.

The stream has no data. A page reads as its own viewer, under row level security.
"""

import asyncio
import time
from collections.abc import AsyncIterator

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from services.api.console.change_feed import EVERYTHING, ChangeFeed, OpenPage
from services.api.console.endpoints import page_route
from services.api.console.page import Page
from services.runtime.settings import Settings

HEARTBEAT_SECONDS = 15.0
RECONNECT_MILLISECONDS = 2_000


def live_route() -> Route:
    """Return the route of the event stream."""
    return page_route("/properties/{property_id}/live", stream_changes)


async def stream_changes(page: Page) -> Response:
    """Return an endless response with an event for each kind of change. It ends after minutes."""
    feed: ChangeFeed = page.request.app.state.change_feed
    return StreamingResponse(
        _format_changes(feed, page.settings, page),
        media_type="text/event-stream", headers={"X-Accel-Buffering": "no"},
    )  # fmt: skip


async def _format_changes(feed: ChangeFeed, settings: Settings, page: Page) -> AsyncIterator[bytes]:
    ends_at = time.monotonic() + settings.stream_seconds
    with feed.open(page.here.id) as opened:
        yield format_sse_event(retry=RECONNECT_MILLISECONDS)
        # A page that connects again does not know what it missed.
        yield format_sse_event(event=EVERYTHING, data_str="connected")
        while not feed.ended and (seconds_left := ends_at - time.monotonic()) > 0:
            if not await _has_changes(opened, min(seconds_left, HEARTBEAT_SECONDS)):
                yield KEEPALIVE_COMMENT
            for name in sorted(opened.take()):
                yield format_sse_event(event=name, data_str="changed")


async def _has_changes(opened: OpenPage, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await opened.changed.wait()
    except TimeoutError:
        return False
    return True
