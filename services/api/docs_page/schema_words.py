"""JSON schemas in words and in examples, for the reference of events."""

import re
from collections.abc import Mapping
from typing import Any

from services.api.schemas import example

Schema = Mapping[str, Any]
FORMATS = {
    "uuid": "id (UUID)", "date-time": "instant (RFC 3339)", "date": "date (YYYY-MM-DD)",
    "uri-reference": "address",
}  # fmt: skip
FORMAT_EXAMPLES = {
    "uuid": example.ROW, "date-time": example.AT, "date": example.TOUR_DATE,
    "uri-reference": f"/crm/{example.AGENT}",
}  # fmt: skip
TYPES = {
    "string": "text", "integer": "whole number", "number": "number", "boolean": "true or false",
    "object": "object", "null": "null",
}  # fmt: skip
PATTERN_EXAMPLES = ("10:30:00", "America/New_York", "0a" * 16, "0a" * 32, "1", "spring-greeting")
"""Texts of which one matches each pattern of the contract."""


def resolve(schema: Schema, schemas: Mapping[str, Schema]) -> Schema:
    """Return the schema that a reference names, else the schema itself."""
    if "$ref" in schema:
        return schemas[str(schema["$ref"]).rpartition("/")[2]]
    return schema


def describe_type(schema: Schema, schemas: Mapping[str, Schema]) -> str:
    """Return the type of a value in words, such as `text of at most 320 characters or null`."""
    found = resolve(schema, schemas)
    if "const" in found:
        return f"always {found['const']}"
    if "enum" in found:
        return "one of " + ", ".join(map(str, found["enum"]))
    if "anyOf" in found:
        return " or ".join(describe_type(choice, schemas) for choice in found["anyOf"])
    kind = found.get("type", "object")
    if isinstance(kind, list):
        return " or ".join(TYPES[one] for one in kind)
    if kind == "array":
        return "list of " + describe_type(found.get("items", {}), schemas)
    if "format" in found:
        return FORMATS.get(str(found["format"]), str(found["format"]))
    return TYPES[str(kind)] + _limits(found)


def make_example(schema: Schema, schemas: Mapping[str, Schema]) -> Any:
    """Return a value that the schema accepts. Objects have their required fields only."""
    found = resolve(schema, schemas)
    if "const" in found:
        return found["const"]
    if "enum" in found:
        return found["enum"][0]
    if "anyOf" in found:
        return make_example(found["anyOf"][0], schemas)
    kind = found.get("type", "object")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            required = found.get("required", ())
            return {name: make_example(found["properties"][name], schemas) for name in required}
        case "array":
            count = max(1, int(found.get("minItems", 1)))
            return [make_example(found.get("items", {}), schemas)] * count
        case "string":
            return _example_text(found)
        case "boolean":
            return True
        case _:
            return found.get("minimum", 1)


def _example_text(schema: Schema) -> str:
    if "format" in schema:
        return FORMAT_EXAMPLES.get(schema["format"], "text")
    pattern = schema.get("pattern", "")
    return next((text for text in ("text", *PATTERN_EXAMPLES) if re.search(pattern, text)), "text")


def _limits(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if "maxLength" in schema:
        return f" of at most {schema['maxLength']:,} characters"
    if low is not None and high is not None:
        return f" from {low:,} to {high:,}"
    return f" of at least {low:,}" if low is not None else ""
