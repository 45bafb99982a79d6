"""Hypothesis strategies for contracts of small events."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

Event = dict[str, Any]
Edit = Callable[[Event], bool]
"""A change of an event in place that returns whether it found something to change."""

FIELDS = ("lead_id", "note", "kind", "count", "tags", "step", "extra")


def _string(**more: Any) -> dict[str, Any]:
    return {"type": "string", "maxLength": 100, "pattern": r"^[^\x00]*$", **more}


_TYPES: list[dict[str, Any]] = [
    _string(),
    {"type": "string", "format": "uuid"},
    {"type": "string", "format": "date-time"},
    {"type": "boolean"},
    {"type": "integer", "minimum": 0, "exclusiveMaximum": 100},
    {"type": "array", "items": _string(), "maxItems": 10},
    {"type": "object", "additionalProperties": True, "maxProperties": 20},
    {"$ref": "#/$defs/Kind"},
    {"$ref": "#/$defs/Step"},
    {"type": "array", "items": {"$ref": "#/$defs/Step"}},
]


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}], "default": None, "title": "Some title"}


_types = st.sampled_from(_TYPES)
_fields = _types | _types.map(_or_null)

_DEFINITIONS = {
    "Kind": {"type": "string", "enum": ["a", "b", "c"], "title": "Kind"},
    "Step": {
        "type": "object",
        "properties": {"id": _string(), "hours": {"type": "number", "minimum": 0}},
        "required": ["id"],
        "additionalProperties": False,
    },
}


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Draw the contract of one event."""
    properties = draw(
        st.dictionaries(st.sampled_from(FIELDS), _fields, min_size=1).map(
            lambda fields: {"thing_id": {"type": "string", "format": "uuid"}, **fields}
        )
    )
    required = [field for field, schema in properties.items() if "default" not in schema]
    marked = draw(st.sets(st.sampled_from(sorted(properties)), max_size=2))
    return {
        "version": draw(st.integers(1, 3)),
        "stream": "thing",
        "entity": "thing_id",
        "intake": draw(st.sampled_from(["observed", "decided", "no"])),
        "personal": dict.fromkeys(marked, "thing_id"),
        "told": [],
        "schema": {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
            "$defs": deepcopy(_DEFINITIONS),
        },
    }


@st.composite
def events_for(draw: st.DrawFn, edit: Edit) -> Event:
    """Draw an event that `edit` can change; if needed, with a field of every type, one marked."""
    event: Event = draw(events())
    if not edit(deepcopy(event)):
        schema = event["schema"]
        for number, type_ in enumerate(deepcopy(_TYPES)):
            schema["properties"] |= {f"plain_{number}": type_, f"null_{number}": _or_null(type_)}
            schema["required"].append(f"plain_{number}")
        event["personal"]["plain_0"] = "thing_id"
    return event


def parts(event: Event) -> list[dict[str, Any]]:
    """Return every schema within the event that its fields use, each once."""
    visited: list[dict[str, Any]] = []

    def visit(schema: Any) -> None:
        if not isinstance(schema, dict):
            return
        if "$ref" in schema:
            target = event["schema"]["$defs"][schema["$ref"].rsplit("/", 1)[1]]
            if not any(target is earlier for earlier in visited):
                visit(target)
            return
        if "type" in schema and not any(schema is earlier for earlier in visited):
            visited.append(schema)
        for inner in [*schema.get("anyOf", ()), *schema.get("properties", {}).values()]:
            visit(inner)
        visit(schema.get("items"))

    for field in event["schema"]["properties"].values():
        visit(field)
    return visited
