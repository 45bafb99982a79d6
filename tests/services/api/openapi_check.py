"""The API's OpenAPI document, and a check that a response is one that it documents."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import httpx2
from jsonschema import Draft202012Validator, FormatChecker

from services.api.openapi import build_document
from services.api.responses import encode_json
from services.api.routes.catalog import ROUTERS

Json = dict[str, Any]

PRODUCED_CODES: set[str] = set()
"""The error codes of all problem documents that tests of this process got."""


@dataclass(frozen=True, eq=False)
class Operation:
    """One method of one path, with its OpenAPI description."""

    method: str
    path: str
    description: Json

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def success_status(self) -> int:
        """The status of a response that is not a problem."""
        return min(map(int, self.description["responses"]))

    @property
    def example_bodies(self) -> dict[str, Any]:
        """The examples of the request body by name; one `None` if there is no body."""
        if "requestBody" not in self.description:
            return {"": None}
        examples = self.description["requestBody"]["content"]["application/json"]["examples"]
        return {name: example["value"] for name, example in examples.items()}

    @property
    def roles(self) -> list[str]:
        """The roles of console users that may call it; none for the widget and for services."""
        return [
            role
            for requirement in self.description["security"]
            for role in requirement.get("consoleUser", ())
        ]

    @property
    def is_for_services(self) -> bool:
        """Whether services call it with an API key."""
        return {"apiKey": []} in self.description["security"]


@cache
def openapi_document() -> Json:
    """Return the document as the API serves it."""
    served: Json = json.loads(encode_json(build_document(ROUTERS)))
    return served


@cache
def operations() -> tuple[Operation, ...]:
    """Return all operations of the document."""
    return tuple(
        Operation(method.upper(), path, description)
        for path, methods in openapi_document()["paths"].items()
        for method, description in methods.items()
    )


def documented_codes() -> set[str]:
    """Return the error codes of all operations."""
    return {
        code
        for operation in operations()
        for status, response in operation.description["responses"].items()
        if int(status) >= HTTPStatus.BAD_REQUEST
        for code in codes_of(response)
    }


def codes_of(response: Json) -> list[str]:
    """Return the error codes of a documented response that is a problem."""
    _, narrowed = response["content"]["application/problem+json"]["schema"]["allOf"]
    codes: list[str] = narrowed["properties"]["code"]["enum"]
    return codes


def find_operation(request: httpx2.Request) -> Operation | None:
    """Return the operation of a request, None if the document has none."""
    path = request.url.raw_path.decode("ascii").partition("?")[0]
    for operation in operations():
        pattern = re.sub(r"\{\w+\}", "[^/]+", operation.path)
        if operation.method == request.method and re.fullmatch(pattern, unquote(path), re.DOTALL):
            return operation
    return None


async def check_response(response: httpx2.Response) -> None:
    """Fail if status, code, headers or shape of a response are not documented."""
    operation = find_operation(response.request)
    if operation is None:
        return
    await response.aread()
    context = f"{operation.name} → {response.status_code}: {response.text[:500]}"
    documented = operation.description["responses"]
    assert str(response.status_code) in documented, context
    description = documented[str(response.status_code)]
    media_type = response.headers["content-type"].partition(";")[0]
    assert media_type in description["content"], context
    body = response.json() if media_type.endswith("json") else response.text
    errors = [*_validator(operation, response.status_code, media_type).iter_errors(body)]
    assert not errors, (context, errors[0].message, list(errors[0].absolute_path))
    if media_type == "application/problem+json":
        PRODUCED_CODES.add(response.json()["code"])
    if "Retry-After" in description.get("headers", {}):
        assert response.headers["Retry-After"].isdecimal(), context
    for name in ("X-CRM-Token", "Retry-After", "WWW-Authenticate"):
        is_documented = name in description.get("headers", {})
        assert name not in response.headers or is_documented, (context, name)


@cache
def _validator(operation: Operation, status: int, media_type: str) -> Draft202012Validator:
    content = operation.description["responses"][str(status)]["content"]
    return validator(content[media_type]["schema"])


def validator(schema: Json) -> Draft202012Validator:
    """Return a validator for a schema of the document that refuses unnamed fields."""
    components = _closed_components()
    return Draft202012Validator(
        {**schema, "components": components}, format_checker=FormatChecker()
    )


@cache
def _closed_components() -> Json:
    """Return the components with additional fields forbidden unless they are allowed by name."""
    components: Json = deepcopy(openapi_document()["components"])
    for schema in _object_schemas(components["schemas"]):
        schema.setdefault("additionalProperties", False)
    return components


def _object_schemas(node: Any) -> Iterator[Json]:
    if isinstance(node, dict):
        if isinstance(node.get("properties"), dict) and node.get("type") == "object":
            yield node
        for inner in node.values():
            yield from _object_schemas(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _object_schemas(inner)
