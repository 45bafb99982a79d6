"""Responses with numbers over very many rows, remembered for a short time.

Counting a year of a large property takes half a second of PostgreSQL, and its open pages ask again
after each change. The numbers of other properties are always read.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from services.api.auth.console_users import ConsoleUser
from services.api.consistency import TOKEN_HEADER
from services.api.context import context_of
from services.api.responses import json_response

AGE_HEADER = "Age"
MANY_ROWS = 5_000
"""Numbers over more rows are remembered."""


async def load_numbers(
    request: Request,
    caller: ConsoleUser,
    property_id: UUID,
    count: Callable[[], Awaitable[tuple[Mapping[str, Any], int]]],
) -> Response:
    """Return the numbers that `count` returns, with the rows that it has counted.

    A request with a consistency token gets new ones, which contain the write of the token. A
    remembered response has the header `Age`, in seconds, also when it is new.
    """
    memory = context_of(request).numbers
    key = (request.url.path, request.url.query, property_id, caller.org_id, caller.role)
    if TOKEN_HEADER not in request.headers and (found := memory.find(key, time.monotonic())):
        content, age = found
        return Response(content, media_type="application/json", headers={AGE_HEADER: f"{age:.0f}"})
    numbers, rows = await count()
    response = json_response(numbers)
    if rows > MANY_ROWS:
        memory.keep(key, bytes(response.body), time.monotonic())
        response.headers[AGE_HEADER] = "0"
    return response
