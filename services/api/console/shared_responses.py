"""Responses that the open pages of several people share.

One change makes all pages that show it read it, at the same moment. The first read makes the
response, the others get the same bytes. Only people with the same rights share a response.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

MAX_RESPONSES = 200
MAX_SECONDS = 5.0
"""The time for which a response is shared: the ages that it shows in words are that old."""
POSITION_HEADER = "X-Console-Position"
"""The position of the log that a page knows from its event stream."""


@dataclass
class SharedResponse:
    """A response that is made, or being made, of tables that contain a position of the log.

    `response` is None until `ended`, and afterwards if it failed.
    """

    position: int
    began_at: float
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    response: Response | None = None


class SharedResponses:
    """The responses that were made last."""

    def __init__(self) -> None:
        self._responses: OrderedDict[Hashable, SharedResponse] = OrderedDict()

    async def load(
        self, key: Hashable, position: int, make: Callable[[], Awaitable[Response]]
    ) -> Response:
        """Return a response that contains the events up to a position; make it if there is none."""
        now = time.monotonic()
        found = self._responses.get(key)
        if found is not None and found.position >= position and now - found.began_at < MAX_SECONDS:
            await found.ended.wait()
            if found.response is not None:
                return _copy(found.response)
        made = SharedResponse(position, now)
        self._responses[key] = made
        self._responses.move_to_end(key)
        while len(self._responses) > MAX_RESPONSES:
            self._responses.popitem(last=False)
        try:
            response = await make()
            if response.status_code == 200:
                made.response = response
        finally:
            made.ended.set()
            if made.response is None and self._responses.get(key) is made:
                del self._responses[key]
        return response if made.response is None else _copy(response)


def read_position(request: Request) -> int | None:
    """Return the position that a page knows; None if it reads for another reason than a change."""
    text = request.headers.get(POSITION_HEADER, "")
    is_read = request.method == "GET" and request.headers.get("hx-request") == "true"
    return int(text) if is_read and text.isascii() and text.isdigit() and len(text) < 19 else None


def _copy(response: Response) -> Response:
    """Return a response with the same bytes: those who send it add to its headers."""
    copy = Response(response.body, response.status_code)
    copy.raw_headers = list(response.raw_headers)
    return copy
