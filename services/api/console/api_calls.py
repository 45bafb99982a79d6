"""Calls of the API's own routes in this process, as the person who looks at a page.

So a page shows and does only what the API would for the same person: the same rules, row level
security, idempotency and errors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx2
import orjson
from fastapi import FastAPI

from services.api.change_reasons import REASON_HEADER
from services.api.consistency import TOKEN_HEADER
from services.api.remembered_numbers import AGE_HEADER
from services.api.responses import EVENTS_HEADER

BASE_URL = "http://console.invalid"
IDEMPOTENCY_HEADER = "Idempotency-Key"


class ApiRefused(Exception):
    """A problem document of the API: the text for people, the code, and the fields at fault."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        self.status, self.document = status, document
        self.code = str(document.get("code", "failed"))
        self.message = str(document.get("error", "the API refused the request"))
        super().__init__(self.message)


@dataclass(frozen=True, slots=True)
class ApiResult:
    """The body of a response, and the consistency token and the events of a write."""

    body: Any
    token: str | None
    event_ids: tuple[str, ...] = ()


class ApiCalls:
    """The API as one person calls it. `token` is the person's bearer token.

    After a write, each further read contains it. If the tables stand still, it reads old rows.
    """

    def __init__(self, client: httpx2.AsyncClient, token: str) -> None:
        self._client, self._token = client, token
        self._read_token: str | None = None
        self.write_token: str | None = None
        """The consistency token of the last write."""
        self.event_ids: list[str] = []
        """The events of the person's changes, in order."""
        self.has_remembered_numbers = False
        """Whether a read returned numbers that may be half a minute old."""
        self.reason = ""
        """The reason of the person's changes, recorded with each of them."""

    async def get(self, path: str, **query: Any) -> Any:
        """Return the body of a read. Parameters that are None or empty are left out."""
        params = {name: value for name, value in query.items() if value not in (None, "")}
        try:
            return (await self._call("GET", path, params, None, {})).body
        except ApiRefused as error:
            if self._read_token is None or error.code != "not_there_yet":
                raise
            # The write is stored: a failure here would look as if it were not.
            self._read_token = None
            return (await self._call("GET", path, params, None, {})).body

    async def write(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        command_id: str | None = None,
        **query: Any,
    ) -> Any:
        """Execute a write once for each `command_id`, and return its body. Raise `ApiRefused`."""
        headers = {IDEMPOTENCY_HEADER: command_id or str(uuid4())}
        if self.reason:
            headers[REASON_HEADER] = quote(self.reason)
        content = None if body is None else orjson.dumps(body)
        if content is not None:
            headers["Content-Type"] = "application/json"
        result = await self._call(method, path, query, content, headers)
        self.write_token = self._read_token = result.token or self.write_token
        self.event_ids += result.event_ids
        return result.body

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        content: bytes | None,
        headers: Mapping[str, str],
    ) -> ApiResult:
        sent = {"Authorization": f"Bearer {self._token}", **headers}
        if self._read_token and method == "GET":
            sent[TOKEN_HEADER] = self._read_token
        response = await self._client.request(
            method, path, params=dict(query), content=content, headers=sent
        )
        body = orjson.loads(response.content) if response.content else None
        if response.is_error:
            raise ApiRefused(response.status_code, body if isinstance(body, dict) else {})
        self.has_remembered_numbers |= AGE_HEADER in response.headers
        events = response.headers.get(EVENTS_HEADER)
        return ApiResult(
            body, response.headers.get(TOKEN_HEADER), tuple(events.split(",")) if events else ()
        )


def open_api_client(app: FastAPI) -> httpx2.AsyncClient:
    """Return a client whose requests `app` answers in this process, without a socket."""
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=BASE_URL)
