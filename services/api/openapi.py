"""The OpenAPI 3.1 document of the API, generated from the routes and their dependencies.

FastAPI provides paths, parameters, security and response schemas. This module adds the request
bodies that `BodyParser` validates, the error codes by status, response headers, examples and
operation ids.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from services.api import error_codes
from services.api.auth.console_authentication import ALLOWED_ROLES, SCHEME
from services.api.consistency import TOKEN_HEADER
from services.api.idempotency import check_idempotency_key
from services.api.problems import TITLES, ProblemDocument
from services.api.request_body import BodyParser
from services.api.responses import EVENTS_HEADER
from services.api.schemas.schema import Examples, ResponseModel
from services.application.command_result import MAX_EVENT_IDS

Json = dict[str, Any]

DESCRIPTION = """\
The routes of the LumaLeasing widget (`X-API-Key` with the widget's key), of the console
(`Authorization: Bearer`), and of services (`X-API-Key` with an API key).

Every error is a problem document (RFC 9457) with a stable `code`. Every write accepts an
`Idempotency-Key` and returns a consistency token in `X-CRM-Token`. A read with that token waits,
with a limit, until it can return the write. `X-CRM-Events` names the events of a write of the
console."""
_REF = "#/components/schemas/"
_TOKEN: Json = {
    "description": "The consistency token: a read with it contains this write.",
    "schema": {"type": "string"},
}
_EVENTS: Json = {
    "description": f"The ids of the events that the write has appended, at most {MAX_EVENT_IDS}. A "
    "repeated request gets those of the first one. Absent if nothing was changed.",
    "schema": {"type": "string"},
}
_RETRY_AFTER: Json = {
    "description": "Try again after this number of seconds.",
    "schema": {"type": "integer"},
}
_CHALLENGE: Json = {
    "description": "The required kind of credentials.",
    "schema": {"type": "string"},
}


def build_document(routers: Iterable[APIRouter]) -> Json:
    """Return the whole document."""
    routes = [route for router in routers for route in router.routes]
    document = get_openapi(title="Leasing CRM", version="1", description=DESCRIPTION, routes=routes)
    schemas: Json = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)  # FastAPI's own validation errors: no route returns them
    _define(schemas, ProblemDocument, "serialization")
    for route in routes:
        if isinstance(route, APIRoute):
            for method in route.methods or ():
                _complete(document["paths"][route.path_format][method.lower()], route, schemas)
    return document


def _complete(operation: Json, route: APIRoute, schemas: Json) -> None:
    """Add to an operation what FastAPI does not know."""
    operation["operationId"] = route.name
    dependencies = list(_dependencies(route.dependant))
    for dependency in dependencies:
        if isinstance(dependency, BodyParser):
            operation["requestBody"] = _request_body(dependency.model, schemas)
    _add_roles(operation, dependencies)
    success_status = str(route.status_code or 200)
    success = operation["responses"][success_status]
    success["description"] = "Success."
    for content in success["content"].values():
        if "examples" not in content:  # a document that is no JSON declares its own
            content.update(_examples(_response_models(route)))
    if check_idempotency_key in dependencies:
        success["headers"] = _write_headers(operation)
    operation["responses"] = (
        {success_status: success}
        | _other_successes(operation, route)
        | {
            str(status): _problem(status, codes)
            for status, codes in sorted(_codes(operation, route, dependencies).items())
        }
    )


def _other_successes(operation: Json, route: APIRoute) -> Json:
    """Return the responses of a route that are successes with a model of their own."""
    successes: Json = {}
    for status, response in route.responses.items():
        if model := response.get("model"):
            successes[str(status)] = documented = operation["responses"][str(status)]
            documented["description"] = HTTPStatus(int(status)).phrase + "."
            for content in documented["content"].values():
                content.update(_examples([model]))
            documented["headers"] = _write_headers(operation)
    return successes


def _write_headers(operation: Json) -> Json:
    """Return the headers of a write: visitors get no ids of events."""
    is_console = any(SCHEME in requirement for requirement in operation.get("security", ()))
    return {TOKEN_HEADER: _TOKEN, **({EVENTS_HEADER: _EVENTS} if is_console else {})}


def _add_roles(operation: Json, dependencies: Iterable[Callable[..., Any]]) -> None:
    """Name the roles that may call an operation in its security requirement, as 3.1 allows."""
    allowed = [ALLOWED_ROLES[call] for call in dependencies if call in ALLOWED_ROLES]
    for requirement in operation.get("security", ()):
        if SCHEME in requirement:
            requirement[SCHEME] = [*min(allowed, key=len)]


def _codes(
    operation: Json, route: APIRoute, dependencies: list[Callable[..., Any]]
) -> dict[int, tuple[str, ...]]:
    """Return the error codes of a route by status: its own and those of its dependencies."""
    own = {
        int(status): response[error_codes.CODES]
        for status, response in route.responses.items()
        if error_codes.CODES in response
    }
    groups = [error_codes.BY_DEPENDENCY.get(dependency, {}) for dependency in dependencies]
    if any(item["in"] in ("path", "query") for item in operation.get("parameters", ())):
        groups.append(error_codes.PARAMETERS)
    if "requestBody" in operation:
        groups.append(error_codes.BODY)
    return error_codes.merge_codes(own, *groups, error_codes.EVERYWHERE)


def _dependencies(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    """Yield all dependencies of a route, also indirect ones."""
    for dependency in dependant.dependencies:
        if dependency.call is not None:
            yield dependency.call
        yield from _dependencies(dependency)


def _request_body(model: type[Any], schemas: Json) -> Json:
    _define(schemas, model, "validation")
    content = {"schema": {"$ref": _REF + model.__name__}, **_examples([model])}
    return {"required": not model.may_be_absent, "content": {"application/json": content}}


def _response_models(route: APIRoute) -> list[type[Any]]:
    """Return the models of a route's success response: one, or the members of a union."""
    declared = route.response_model
    models = getattr(declared, "__args__", (declared,))
    return [
        model for model in models if isinstance(model, type) and issubclass(model, ResponseModel)
    ]


def _examples(models: Iterable[type[Any]]) -> Json:
    examples: Examples = {
        title: value for model in models for title, value in model.examples.items()
    }
    if not examples:
        return {}
    return {
        "examples": {
            title.replace(" ", "-"): {"summary": title, "value": value}
            for title, value in examples.items()
        }
    }


def _problem(status: int, codes: tuple[str, ...]) -> Json:
    narrowed = {"properties": {"status": {"const": status}, "code": {"enum": [*codes]}}}
    content: Json = {
        "schema": {"allOf": [{"$ref": _REF + ProblemDocument.__name__}, narrowed]},
        "examples": {codes[0]: {"value": _problem_example(status, codes[0])}},
    }
    headers: Mapping[str, Json] = {}
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        headers = {"Retry-After": _RETRY_AFTER}
    elif status == HTTPStatus.UNAUTHORIZED and "unauthenticated" in codes:
        headers = {"WWW-Authenticate": _CHALLENGE}
    return {
        "description": f"{TITLES[status]}: " + ", ".join(f"`{code}`" for code in codes),
        "content": {"application/problem+json": content},
        **({"headers": {**headers}} if headers else {}),
    }


def _problem_example(status: int, code: str) -> Json:
    text = "what is wrong, and what to do"
    return {"type": "about:blank", "title": TITLES[status], "status": status, "code": code,
            "error": text, "detail": text}  # fmt: skip


def _define(schemas: Json, model: type[BaseModel], mode: JsonSchemaMode) -> None:
    """Add a model and its nested models to the components. Refuse one name for two schemas."""
    _, definitions = models_json_schema([(model, mode)], ref_template=_REF + "{model}")
    for name, schema in definitions["$defs"].items():
        if schemas.setdefault(name, schema) != schema:
            raise TypeError(f"two different schemas are called {name}: rename one of the models")
