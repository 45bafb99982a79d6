"""The log lines of answers that are the server's fault: expected ones are short."""

import asyncpg
import pytest
from starlette.requests import Request
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from services.api.admission import RequestAdmission
from services.api.middleware import EdgeMiddleware


@pytest.mark.parametrize(
    ("error", "status", "has_traceback"),
    [(asyncpg.CannotConnectNowError("starting"), 503, False), (ZeroDivisionError("x"), 500, True)],
)
def test_only_an_unexpected_error_is_logged_with_its_traceback(
    error: Exception, status: int, has_traceback: bool
) -> None:
    async def fail(scope: Scope, receive: Receive, _send: Send) -> None:
        await Request(scope, receive).body()
        raise error

    with capture_logs() as lines:
        response = TestClient(EdgeMiddleware(fail, RequestAdmission())).get("/api/leads")
    assert response.status_code == status
    (line,) = [line for line in lines if line["event"] == "http.failed"]
    assert ("exc_info" in line) == has_traceback
    assert has_traceback or line["error"] is error
