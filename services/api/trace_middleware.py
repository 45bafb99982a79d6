"""The layer that gives every request its trace, and records the span of a sampled one."""

import time
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from events.trace_context import CURRENT_TRACE, TRACEPARENT, TraceContext, read_traceparent
from services.api.middleware import METHODS, is_widget_path, route_of
from services.runtime.tracing import begin_child, begin_trace, record_span

_TRACEPARENT = TRACEPARENT.encode()


class TraceMiddleware:
    """The outermost ASGI layer: what happens within a request is in its trace."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began_at = time.time_ns()
        trace, parent = _begin_trace(scope)
        token = CURRENT_TRACE.set(trace)
        try:
            if not trace.span_id:
                await self.app(scope, receive, send)
                return
            status = 0

            async def send_and_note(message: Message) -> None:
                nonlocal status
                status = message.get("status", status)
                await send(message)

            try:
                await self.app(scope, receive, send_and_note)
            finally:
                _record_span(scope, status, trace, parent, began_at)
        finally:
            CURRENT_TRACE.reset(token)


def _begin_trace(scope: Scope) -> tuple[TraceContext, TraceContext | None]:
    """Return the trace of a request, and the span that it is within.

    A page of the console calls the API within its own trace.
    """
    if page := CURRENT_TRACE.get():
        return begin_child(page), page
    text: bytes | None = None
    for name, value in scope["headers"]:
        if name == _TRACEPARENT:
            text = value
    sent = read_traceparent(text)
    # Everybody can call a widget's routes, and could have all of it recorded.
    is_trusted = not is_widget_path(scope["path"])
    return begin_trace(sent, is_trusted=is_trusted), sent


def _record_span(
    scope: Scope, status: int, trace: TraceContext, parent: TraceContext | None, began_at: int
) -> None:
    route, method = route_of(scope), scope["method"]
    method = method if method in METHODS else "other"
    has_failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR or not status
    record_span(
        f"{method} {route}", trace, parent=parent, began_at=began_at, kind="server",
        error=str(status) if has_failed else None,
        attributes={
            "http.request.method": method, "http.route": route,
            "http.response.status_code": status,
        },
    )  # fmt: skip
