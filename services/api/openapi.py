"""The API's OpenAPI 3.1 document: made of what routes depend on, so that it cannot lag behind.

FastAPI gives paths, parameters, security and the shapes of answers; added here are the bodies that
`Takes` validates, the problem documents by status and code, the headers of answers, and examples.
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
from services.api.problems import TITLES, ProblemDocument
from services.api.request_body import Takes
from services.api.responses import TOKEN, once
from services.api.schemas.schema import Answered, Examples

Json = dict[str, Any]

ABOUT = """\
The routes of the LumaLeasing widget (`X-API-Key`) and of the console (`Authorization: Bearer`).

Every error is a problem document (RFC 9457) with a stable `code`. Every write takes an
`Idempotency-Key` and answers a token in `X-CRM-Token`; a read given that token waits, bounded,
until it can show what was written."""
_REF = "#/components/schemas/"
_TOKEN: Json = {
    "description": "Hand it to a read, which then shows this write.",
    "schema": {"type": "string"},
}
_RETRY: Json = {"description": "Try again after so many seconds.", "schema": {"type": "integer"}}
_CHALLENGE: Json = {"description": "What is needed.", "schema": {"type": "string"}}


def document(routers: Iterable[APIRouter]) -> Json:
    """The whole document, as JSON."""
    routes = [route for router in routers for route in router.routes]
    made = get_openapi(title="Leasing CRM", version="1", description=ABOUT, routes=routes)
    schemas: Json = made["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)  # FastAPI's own idea of what is wrong: nothing here answers it
    _define(schemas, ProblemDocument, "serialization")
    for route in routes:
        if isinstance(route, APIRoute):
            for method in route.methods or ():
                _tell(made["paths"][route.path_format][method.lower()], route, schemas)
    return made


def _tell(operation: Json, route: APIRoute, schemas: Json) -> None:
    calls = list(_calls(route.dependant))
    for call in calls:
        if isinstance(call, Takes):
            operation["requestBody"] = _body(call.model, schemas)
    good = str(route.status_code or 200)
    answer = operation["responses"][good]
    answer["description"] = "As asked."
    for shown in answer["content"].values():
        shown.update(_examples(_answers(route)))
    if once in calls:
        answer["headers"] = {TOKEN: _TOKEN}
    operation["responses"] = {good: answer} | {
        str(status): _problem(status, codes)
        for status, codes in sorted(_refused(operation, route, calls).items())
    }


def _refused(
    operation: Json, route: APIRoute, calls: list[Callable[..., Any]]
) -> dict[int, tuple[str, ...]]:
    own = {
        int(status): found[error_codes.CODES]
        for status, found in route.responses.items()
        if error_codes.CODES in found
    }
    kinds = [error_codes.BY_DEPENDENCY.get(call, {}) for call in calls]
    if any(one["in"] in ("path", "query") for one in operation.get("parameters", ())):
        kinds.append(error_codes.PARAMETERS)
    if "requestBody" in operation:
        kinds.append(error_codes.BODY)
    return error_codes.together(own, *kinds, error_codes.EVERYWHERE)


def _calls(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    """Everything that is called before the route is."""
    for one in dependant.dependencies:
        if one.call is not None:
            yield one.call
        yield from _calls(one)


def _body(model: type[Any], schemas: Json) -> Json:
    _define(schemas, model, "validation")
    shape = {"schema": {"$ref": _REF + model.__name__}, **_examples([model])}
    return {"required": not model.may_be_absent, "content": {"application/json": shape}}


def _answers(route: APIRoute) -> list[type[Any]]:
    """The models of a route's good answer: one, or the members of a union."""
    shown = route.response_model
    models = getattr(shown, "__args__", (shown,))
    return [one for one in models if isinstance(one, type) and issubclass(one, Answered)]


def _examples(models: Iterable[type[Any]]) -> Json:
    said: Examples = {title: value for model in models for title, value in model.examples.items()}
    if not said:
        return {}
    return {
        "examples": {
            title.replace(" ", "-"): {"summary": title, "value": value}
            for title, value in said.items()
        }
    }


def _problem(status: int, codes: tuple[str, ...]) -> Json:
    said = {"properties": {"status": {"const": status}, "code": {"enum": [*codes]}}}
    shape: Json = {
        "schema": {"allOf": [{"$ref": _REF + ProblemDocument.__name__}, said]},
        "examples": {codes[0]: {"value": _example(status, codes[0])}},
    }
    headers: Mapping[str, Json] = {}
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        headers = {"Retry-After": _RETRY}
    elif status == HTTPStatus.UNAUTHORIZED and "unauthenticated" in codes:
        headers = {"WWW-Authenticate": _CHALLENGE}
    return {
        "description": f"{TITLES[status]}: " + ", ".join(f"`{code}`" for code in codes),
        "content": {"application/problem+json": shape},
        **({"headers": {**headers}} if headers else {}),
    }


def _example(status: int, code: str) -> Json:
    why = "what is wrong, in words"
    return {"type": "about:blank", "title": TITLES[status], "status": status, "code": code,
            "error": why, "detail": why}  # fmt: skip


def _define(schemas: Json, model: type[BaseModel], mode: JsonSchemaMode) -> None:
    """Add a model and those it is made of; a name means one shape."""
    _, found = models_json_schema([(model, mode)], ref_template=_REF + "{model}")
    for name, shape in found["$defs"].items():
        if schemas.setdefault(name, shape) != shape:
            raise TypeError(f"two shapes are called {name}")
