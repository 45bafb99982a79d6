"""The HTTP/1.1 protocol of the server: uvicorn's, with a time limit for the arrival of a request.

uvicorn limits only the time between two requests. A client that sends a request byte by byte would
keep its connection, its memory and its task for ever.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from services.api.admission import RequestAdmission, overloaded
from services.api.middleware import SECURITY_HEADERS
from services.api.problems import TITLES, Problem, problem_response
from services.runtime.health import HEALTHZ
from services.runtime.settings import Settings

MAX_HEAD_BYTES = 64 * 1024
"""The largest request line with its headers. One read of the socket may be added to it."""


@dataclass(frozen=True, slots=True)
class ArrivalLimits:
    """The longest times in seconds in which the head and the body of a request must arrive."""

    head_seconds: float
    body_seconds: float

    @classmethod
    def of(cls, settings: Settings) -> "ArrivalLimits":
        return cls(settings.http_head_seconds, settings.http_body_seconds)


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection. It is closed with 408 if a request does not arrive in time."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: ArrivalLimits,
        admission: RequestAdmission,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits, self._admission = limits, admission
        self._arrival_timer: asyncio.TimerHandle | None = None
        self._is_in_head = True
        """True until the headers of the first or the next request are complete."""
        self._head_bytes = 0
        self._is_refused = False
        """True while the body of a refused request arrives, which nobody reads."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        self._limit_arrival(self._limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_limit()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_in_head:
            if self._arrival_timer is None:  # the first bytes of a later request
                self._limit_arrival(self._limits.head_seconds)
            self._head_bytes += len(data)
        super().data_received(data)
        if self._is_in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(
                431,
                "head_too_large",
                f"the headers have more than {MAX_HEAD_BYTES:,} bytes: send fewer or shorter ones",
            )

    def on_headers_complete(self) -> None:
        self._is_in_head, self._head_bytes = False, 0
        self._limit_arrival(self._limits.body_seconds)
        # Refused here and not in the application: what costs least leaves most for the others.
        self._is_refused = self._is_idle and self._admission.is_full
        if self._is_refused and self.url != HEALTHZ.path.encode():
            return
        self._is_refused = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_in_head = True
        self._end_limit()
        if not self._is_refused:
            super().on_message_complete()
            return
        self._is_refused = False
        self._write_problem(overloaded())
        if self.parser.should_keep_alive():
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        else:
            self.transport.close()

    @property
    def _is_idle(self) -> bool:
        """True if no earlier request of the connection waits for its response."""
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        return cycle is None or cycle.response_complete

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP."""
        self._refuse(400, "malformed_request", f"{msg.rstrip('.')}: send HTTP/1.1")

    def _limit_arrival(self, seconds: float) -> None:
        self._end_limit()
        self._arrival_timer = self.loop.call_later(seconds, self._end_late_request, seconds)

    def _end_limit(self) -> None:
        if self._arrival_timer is not None:
            self._arrival_timer.cancel()
            self._arrival_timer = None

    def _end_late_request(self, seconds: float) -> None:
        part = "headers" if self._is_in_head else "body"
        self._refuse(
            408,
            "request_timeout",
            f"the {part} did not arrive within {seconds:g} s: send the request faster",
        )

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Send a problem document, unless a response has begun, and close the connection."""
        self._end_limit()
        if self.transport.is_closing():
            return
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        if cycle is None or cycle.response_complete or not cycle.response_started:
            self._write_problem(Problem(status, code, message), (b"connection", b"close"))
        if cycle is not None and not cycle.response_complete:
            # The application still waits for the body, or writes a response that nobody gets.
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()

    def _write_problem(self, problem: Problem, *more: tuple[bytes, bytes]) -> None:
        """Write a problem document as the response, without the application."""
        response = problem_response(problem)
        lines = [f"HTTP/1.1 {problem.status} {TITLES[problem.status]}".encode()]
        headers = (*response.raw_headers, *SECURITY_HEADERS, *more)
        lines += [name + b": " + value for name, value in headers]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(response.body)]))
