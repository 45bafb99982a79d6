"""What the API's own document promises, held against answers: every test of a route does so."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote

import httpx2
from jsonschema import Draft202012Validator, FormatChecker

from services.api.openapi import document
from services.api.responses import json_of
from services.api.routes.catalog import ROUTERS

Json = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Operation:
    """One method of one path, and what was said of it."""

    method: str
    path: str
    said: Json

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def good(self) -> int:
        """The status of an answer that is none of the problems."""
        return min(map(int, self.said["responses"]))

    @property
    def bodies(self) -> dict[str, Any]:
        """The examples of its body by name; one, empty, where it takes none."""
        if "requestBody" not in self.said:
            return {"": None}
        examples = self.said["requestBody"]["content"]["application/json"]["examples"]
        return {name: one["value"] for name, one in examples.items()}

    @property
    def needs_person(self) -> bool:
        return {"person": []} in self.said["security"]


@cache
def promised() -> Json:
    found: Json = json.loads(json_of(document(ROUTERS)))
    return found


@cache
def operations() -> tuple[Operation, ...]:
    return tuple(
        Operation(method.upper(), path, said)
        for path, methods in promised()["paths"].items()
        for method, said in methods.items()
    )


def operation_of(request: httpx2.Request) -> Operation | None:
    """The operation that was asked; None where there is none."""
    path = request.url.raw_path.decode("ascii").partition("?")[0]
    for one in operations():
        pattern = re.sub(r"\{\w+\}", "[^/]+", one.path)
        if one.method == request.method and re.fullmatch(pattern, unquote(path), re.DOTALL):
            return one
    return None


async def check(answer: httpx2.Response) -> None:
    """The status, code, headers and shape of an answer are documented: a hook of the client."""
    operation = operation_of(answer.request)
    if operation is None:
        return
    await answer.aread()
    asked = f"{operation.name} → {answer.status_code}: {answer.text[:500]}"
    responses = operation.said["responses"]
    assert str(answer.status_code) in responses, asked
    said = responses[str(answer.status_code)]
    kind = answer.headers["content-type"].partition(";")[0]
    assert kind in said["content"], asked
    told = answer.json() if kind.endswith("json") else answer.text
    wrong = [*_validator(operation, answer.status_code, kind).iter_errors(told)]
    assert not wrong, (asked, wrong[0].message, list(wrong[0].absolute_path))
    if "Retry-After" in said.get("headers", {}):
        assert answer.headers["Retry-After"].isdecimal(), asked
    for name in ("X-CRM-Token", "Retry-After", "WWW-Authenticate"):
        assert name not in answer.headers or name in said.get("headers", {}), (asked, name)


@cache
def _validator(operation: Operation, status: int, kind: str) -> Draft202012Validator:
    return validator(operation.said["responses"][str(status)]["content"][kind]["schema"])


def validator(schema: Json) -> Draft202012Validator:
    """Holds what it is given to a schema of the document, and to no field more than it names."""
    return Draft202012Validator({**schema, "components": _closed()}, format_checker=FormatChecker())


@cache
def _closed() -> Json:
    """The shapes, with fields that are not named forbidden where more are not expressly allowed."""
    components = deepcopy(promised()["components"])
    for shape in _objects(components["schemas"]):
        shape.setdefault("additionalProperties", False)
    found: Json = components
    return found


def _objects(node: Any) -> Iterator[Json]:
    if isinstance(node, dict):
        if isinstance(node.get("properties"), dict) and node.get("type") == "object":
            yield node
        for inner in node.values():
            yield from _objects(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _objects(inner)
