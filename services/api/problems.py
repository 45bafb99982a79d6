"""Every error is a problem document (RFC 9457) with a stable `code` and an `error` text."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import asyncpg
import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from events.log.errors import Conflict
from services.deciders.decider import Refused

RETRY_SECONDS = 2
AWAY = (
    asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError, asyncpg.TooManyConnectionsError, asyncpg.QueryCanceledError,
    InterfaceError, OperationalError, PoolTimeout, OSError, TimeoutError,
)  # fmt: skip
"""The database cannot answer now; what the client sent is not at fault."""


TITLES = {status.value: status.phrase for status in HTTPStatus}


class WrongField(BaseModel):
    """What is wrong with one field; the value is not repeated."""

    field: str
    message: str


class ProblemDocument(BaseModel):
    """An error. `code` is stable, `error` and `detail` say the same for people; some codes add
    fields: `invalid` the `errors` by field, `known_lead` the `lead` or its `leadId`."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    code: str
    error: str
    detail: str


class Problem(Exception):
    """An answer that is an error, said by the HTTP layer itself."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers, self.details = dict(headers or {}), dict(details or {})


def problem(error: Problem) -> Response:
    """The document."""
    body = {
        **error.details,
        "type": "about:blank",
        "title": TITLES[error.status],
        "status": error.status,
        "code": error.code,
        "error": error.message,
        "detail": error.message,
    }
    return Response(
        orjson.dumps(body, default=str, option=orjson.OPT_UTC_Z),
        error.status,
        headers=error.headers,
        media_type="application/problem+json",
    )


def as_problem(error: Exception) -> Problem:
    """What a client is told of an error; 500 only for what no check foresaw."""
    match error:
        case Problem():
            return error
        case Refused():
            return Problem(error.status, error.code, error.message, details=error.details)
        case Conflict():
            return Problem(409, "conflict", str(error))
        case RequestValidationError() | ValidationError():
            return invalid(error.errors())
        case HTTPException():
            code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http")
            return Problem(
                error.status_code, code, str(error.detail), headers=dict(error.headers or {})
            )
        case _ if _is_away(error):
            return Problem(
                503, "unavailable", "the database is not reachable now: try again",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )  # fmt: skip
        case _:
            return Problem(500, "internal", "something went wrong here; it has been logged")


def _is_away(error: BaseException) -> bool:
    """SQLAlchemy wraps some of what a cut connection raises in its most general error."""
    seen: BaseException | None = error
    while isinstance(error, DBAPIError) and seen is not None:
        if isinstance(seen, AWAY):
            return True
        seen = seen.__cause__
    return isinstance(error, AWAY)


def invalid(errors: Any, where: str = "") -> Problem:
    """400 with what is wrong by field; values are not repeated."""
    found = [
        {
            "field": where + ".".join(str(part) for part in one["loc"] if part != "body"),
            "message": one["msg"],
        }
        for one in list(errors)[:20]
    ]
    said = "; ".join(f"{one['field'] or 'body'}: {one['message']}" for one in found[:3])
    return Problem(400, "invalid", said or "invalid request", details={"errors": _safe(found)})


def _safe(found: list[dict[str, str]]) -> list[dict[str, str]]:
    """Names of fields come from the client: what is no Unicode cannot be sent back."""
    return [
        {key: text.encode("utf-8", "replace").decode() for key, text in one.items()}
        for one in found
    ]


def install(app: FastAPI) -> None:
    """Answer the errors a client may cause as problems; the rest is the outermost layer's."""

    async def answer(_request: Request, error: Exception) -> Response:
        return problem(as_problem(error))

    for kind in (Problem, Refused, Conflict, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer)
