"""The outermost layer: unexpected errors become responses, requests are timed, widgets get CORS.

Starlette's own outermost layer would send a plain 500 and raise the error again.
"""

import time
from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.problems import problem_from_error, problem_response
from services.runtime.logging import get_logger
from services.runtime.metrics import HTTP_SECONDS

WIDGET_PATHS = "/api/lumaleasing/"
ADMIN_PATHS = "/api/lumaleasing/admin/"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
ALLOWED_ORIGIN = "crm.allowed_origin"
"""The key in the scope's state of the origin that authentication allowed for this request."""

IsOriginAllowed = Callable[[str], Awaitable[bool]]

log = get_logger("http")


class EdgeMiddleware:
    """An ASGI layer around the whole application.

    `is_origin_allowed` tells whether any active widget may be shown on an origin.
    """

    def __init__(self, app: ASGIApp, is_origin_allowed: IsOriginAllowed) -> None:
        self.app, self._is_origin_allowed = app, is_origin_allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started_at, status = time.perf_counter(), 0
        scope.setdefault("state", {})
        for_widget = is_widget_path(scope["path"])

        async def send_with_cors(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if for_widget:
                    _add_cors_headers(message, scope["state"].get(ALLOWED_ORIGIN))
            await send(message)

        try:
            if for_widget and is_preflight(scope):
                await self._answer_preflight(scope, send_with_cors)
            else:
                await self.app(scope, receive, send_with_cors)
        except Exception as error:
            # After the status line is sent, another response would corrupt the connection.
            if status:
                raise
            problem = problem_from_error(error)
            if problem.status >= 500:
                log.error("http.failed", path=scope["path"], exc_info=error)
            await problem_response(problem)(scope, receive, send_with_cors)
        finally:
            # Only the route's template and known methods: clients must not create label values.
            method = scope["method"] if scope["method"] in METHODS else "other"
            route = getattr(scope.get("route"), "path", "unknown")
            HTTP_SECONDS.labels(method, route, status).observe(time.perf_counter() - started_at)

    async def _answer_preflight(self, scope: Scope, send: Send) -> None:
        """Answer 204 if any active widget allows the origin, else 403.

        A preflight has no key, so it is not known which widget is meant. The request that follows
        is checked against its own widget.
        """
        origin = Headers(scope=scope).get("origin", "")
        allowed = await self._is_origin_allowed(origin)
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
    """Let pages of this origin read the response to this request."""
    request.scope["state"][ALLOWED_ORIGIN] = origin


def _add_cors_headers(message: Message, origin: str | None) -> None:
    headers = MutableHeaders(scope=message)
    # Also without an allowed origin: a cache must not give this response to another origin.
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
