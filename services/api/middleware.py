"""The outermost layer of ours: nothing but answers leaves here, each is timed, widgets get CORS.

Starlette's own layer outside it answers 500 to whatever raises, and raises it again.
"""

import time
from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.problems import as_problem, problem
from services.runtime.logging import get_logger
from services.runtime.metrics import HTTP_SECONDS

WIDGET_PATHS = "/api/lumaleasing/"
ADMIN_PATHS = "/api/lumaleasing/admin/"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
ALLOWED_ORIGIN = "crm.allowed_origin"
"""The key of the scope's state under which the caller's check leaves an origin it allowed."""

IsAllowed = Callable[[str], Awaitable[bool]]

log = get_logger("http")


class Edge:
    """Wraps the whole application; `is_allowed` asks whether a widget may be on an origin."""

    def __init__(self, app: ASGIApp, is_allowed: IsAllowed) -> None:
        self.app, self._is_allowed = app, is_allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        scope.setdefault("state", {})
        for_widget = is_widget_path(scope["path"])

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if for_widget:
                    _allow(message, scope["state"].get(ALLOWED_ORIGIN))
            await send(message)

        try:
            if for_widget and is_preflight(scope):
                await self._answer_preflight(scope, receive, sent)
            else:
                await self.app(scope, receive, sent)
        except Exception as error:
            if status:
                raise
            answer = as_problem(error)
            if answer.status >= 500:
                log.error("http.failed", path=scope["path"], exc_info=error)
            await problem(answer)(scope, receive, sent)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "other"
            route = getattr(scope.get("route"), "path", "unknown")
            HTTP_SECONDS.labels(method, route, status).observe(time.perf_counter() - began)

    async def _answer_preflight(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Yes, for origins that some active widget allows; the request itself needs its key."""
        origin = Headers(scope=scope).get("origin", "")
        allowed = await self._is_allowed(origin)
        if allowed:
            scope["state"][ALLOWED_ORIGIN] = origin
        await send(
            {
                "type": "http.response.start",
                "status": 204 if allowed else 403,
                "headers": [(b"content-length", b"0")],
            }
        )
        await send({"type": "http.response.body", "body": b""})


def is_widget_path(path: str) -> bool:
    return path.startswith(WIDGET_PATHS) and not path.startswith(ADMIN_PATHS)


def is_preflight(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    return (
        scope["method"] == "OPTIONS"
        and "origin" in headers
        and "access-control-request-method" in headers
    )


def allow_origin(request: Request, origin: str) -> None:
    """The answer to this request may be read by pages of this origin."""
    request.scope["state"][ALLOWED_ORIGIN] = origin


def _allow(message: Message, origin: str | None) -> None:
    headers = MutableHeaders(scope=message)
    headers.add_vary_header("Origin")
    if origin is None:
        return
    headers["Access-Control-Allow-Origin"] = origin
    headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
    headers["Access-Control-Allow-Headers"] = (
        "Authorization, Content-Type, Idempotency-Key, X-API-Key, X-CRM-Token, X-Session-Token, "
        "X-Visitor-ID"
    )
    headers["Access-Control-Expose-Headers"] = "X-CRM-Token, Retry-After"
    headers["Access-Control-Max-Age"] = "600"
