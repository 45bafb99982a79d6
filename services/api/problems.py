"""Error responses: problem documents (RFC 9457) with a stable `code` and an `error` text."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from events.keys.errors import DataKeyMissing
from events.log.errors import Conflict
from services.deciders.decider import Refused
from services.runtime.database import CONNECTION_ERRORS
from services.runtime.validation import describe_problems

RETRY_SECONDS = 2
MAX_FIELD_ERRORS = 20
UNAVAILABLE_ERRORS = (*CONNECTION_ERRORS, InterfaceError, OperationalError, PoolTimeoutError)
"""Errors that mean: the database cannot answer now. The request is not at fault."""

TITLES = {status.value: status.phrase for status in HTTPStatus}


class ProblemDocument(BaseModel):
    """An error. `code` is stable; `error` and `detail` contain the same text for people.

    Some codes add fields: `invalid` adds `errors`, one per field; `known_lead` adds the `lead` or
    its `leadId`.
    """

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    code: str
    error: str
    detail: str


class Problem(Exception):
    """An error response of the HTTP layer itself. Deciders raise `Refused` instead."""

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


def problem_response(problem: Problem) -> Response:
    """Return the problem document as a response."""
    body = {
        **problem.details,
        "type": "about:blank",
        "title": TITLES[problem.status],
        "status": problem.status,
        "code": problem.code,
        "error": problem.message,
        "detail": problem.message,
    }
    return Response(
        orjson.dumps(body, default=str, option=orjson.OPT_UTC_Z),
        problem.status,
        headers=problem.headers,
        media_type="application/problem+json",
    )


def problem_from_error(error: Exception) -> Problem:
    """Return the problem that a client gets for an error; status 500 for an unexpected one."""
    match error:
        case Problem():
            return error
        case Refused():
            return Problem(error.status, error.code, error.message, details=error.details)
        case Conflict():
            return Problem(409, "conflict", str(error))
        case RequestValidationError() | ValidationError():
            return invalid_request(error.errors())
        case HTTPException():
            code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http")
            return Problem(
                error.status_code, code, str(error.detail), headers=dict(error.headers or {})
            )
        case DataKeyMissing():
            return Problem(
                503, "unavailable", "the data of this person cannot be read now: try again later",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )  # fmt: skip
        case _ if _is_unavailable(error):
            return Problem(
                503, "unavailable",
                f"the database is not reachable now: try again in {RETRY_SECONDS} s",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )  # fmt: skip
        case _:
            return Problem(
                500, "internal", "an unexpected error occurred and was logged: try again later"
            )


def _is_unavailable(error: BaseException) -> bool:
    """Return whether the database cannot answer now.

    SQLAlchemy wraps some errors of a closed connection in `DBAPIError`, its most general error.
    The original error is then a cause of it.
    """
    cause: BaseException | None = error
    while isinstance(error, DBAPIError) and cause is not None:
        if isinstance(cause, UNAVAILABLE_ERRORS):
            return True
        cause = cause.__cause__
    return isinstance(error, UNAVAILABLE_ERRORS)


def not_found(kind: str) -> Problem:
    """Return the 404 for an entity that does not exist or belongs to another tenant.

    Both have the same text, so a caller cannot find out which ids exist elsewhere.
    """
    return Problem(404, "not_found", f"{kind} not found: check its id")


def invalid_request(errors: Sequence[Any]) -> Problem:
    """Return the 400 for errors of Pydantic: fields and messages, without the values."""
    field_errors = [
        {
            "field": _encodable(_field_name(error["loc"])),
            "message": _encodable(error["msg"]),
        }
        for error in errors
    ]
    text = describe_problems([(error["field"], error["message"]) for error in field_errors])
    return Problem(400, "invalid", text, details={"errors": field_errors[:MAX_FIELD_ERRORS]})


def _field_name(location: Sequence[str | int]) -> str:
    """Return the path of a field, without the prefix that FastAPI gives to fields of the body."""
    parts = location[1:] if len(location) > 1 and location[0] == "body" else location
    return ".".join(str(part) for part in parts)


def _encodable(text: str) -> str:
    """Replace lone surrogates: field names come from the client and JSON cannot contain them."""
    return text.encode("utf-8", "replace").decode()


def install_handlers(app: FastAPI) -> None:
    """Register handlers for the errors that clients cause. `EdgeMiddleware` handles all others."""

    async def handle(_request: Request, error: Exception) -> Response:
        return problem_response(problem_from_error(error))

    for kind in (Problem, Refused, Conflict, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, handle)
