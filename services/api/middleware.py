"""The outer layer: unexpected errors become responses, requests are timed, headers are added.

Starlette's own outermost layer would send a plain 500 and raise the error again.
"""

import time
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.admission import CURRENT_TURN, RequestAdmission, Turn
from services.api.problems import Problem, problem_from_error, problem_response
from services.runtime.health import HEALTHZ
from services.runtime.logging import get_logger
from services.runtime.metrics import HTTP_SECONDS, current_exemplar

WIDGET_PATHS = "/api/lumaleasing/"
ADMIN_PATHS = "/api/lumaleasing/admin/"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
ALLOWED_ORIGIN = "crm.allowed_origin"
"""The key in the scope's state of the origin that authentication allowed for this request."""
SECURITY_HEADERS = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
"""Headers of every response: no cache may store it, and no browser may guess its type."""

log = get_logger("http")


class EdgeMiddleware:
    """An ASGI layer around the whole application."""

    def __init__(self, app: ASGIApp, admission: RequestAdmission) -> None:
        self.app, self._admission = app, admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started_at, status = time.perf_counter(), 0
        scope.setdefault("state", {})
        for_widget = is_widget_path(scope["path"])
        turn: Turn | None = None

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if turn is not None:
                    turn.end()  # an event stream or an export may be sent for minutes
                _add_security_headers(message)
                if for_widget:
                    _add_cors_headers(message, scope["state"].get(ALLOWED_ORIGIN))
            await send(message)

        try:
            if for_widget and is_preflight(scope):
                scope["state"][ALLOWED_ORIGIN] = "*"
                await _PREFLIGHT_RESPONSE(scope, receive, send_with_headers)
            else:
                # A page of the console calls the API within its own turn.
                if scope["path"] != HEALTHZ.path and CURRENT_TURN.get() is None:
                    turn = await self._admission.begin()
                    CURRENT_TURN.set(turn)
                await self.app(scope, receive, send_with_headers)
        except Exception as error:
            # After the status line is sent, another response would corrupt the connection.
            if status:
                raise
            problem = problem_from_error(error)
            if problem.status >= 500 and not isinstance(error, Problem):
                _log_failure(route_of(scope), problem, error)
            await problem_response(problem)(scope, receive, send_with_headers)
        finally:
            if turn is not None:
                turn.end()
            # Clients must not create label values.
            method = scope["method"] if scope["method"] in METHODS else "other"
            HTTP_SECONDS.labels(method, route_of(scope), status).observe(
                time.perf_counter() - started_at, current_exemplar()
            )


def route_of(scope: Scope) -> str:
    """Return the route's template: a path may contain what a client wrote."""
    path: str = getattr(scope.get("route"), "path", "unknown")
    return path


_PREFLIGHT_RESPONSE = Response(status_code=204)
"""The response to every preflight of a widget route, whatever the origin.

A preflight has no key, so it is not known which widget is meant. A response that depends on the
origin would tell everybody which web sites are customers. The request that follows is checked
against its own widget.
"""


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


def _add_security_headers(message: Message) -> None:
    names = {name for name, _ in message["headers"]}
    message["headers"] += [(name, value) for name, value in SECURITY_HEADERS if name not in names]


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


def _log_failure(route: str, problem: Problem, error: Exception) -> None:
    """Log an answer of 500 with its traceback, and an expected one, such as 503, in one line."""
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("http.failed", route=route, exc_info=error)
    else:
        log.error("http.failed", route=route, status=problem.status, error=error)
