"""Edits of an event's contract, grouped by their compatibility.

An edit changes an event in place and returns whether it found something to change.
"""

from typing import Any

from tests.events.contract.schemas import Edit, Event, parts


def _replace(event: Event, keyword: str, change: Any) -> bool:
    """Apply `change` to the values of a keyword."""
    changed = [part for part in parts(event) if keyword in part]
    for part in changed:
        part[keyword] = change(part[keyword])
    return bool(changed)


def _drop(event: Event, keyword: str) -> bool:
    """Remove a keyword."""
    changed = [part for part in parts(event) if keyword in part]
    for part in changed:
        del part[keyword]
    return bool(changed)


def add_optional_field(event: Event) -> bool:
    event["schema"]["properties"]["colour"] = {"type": "string"}
    return True


def add_optional_personal_field(event: Event) -> bool:
    event["personal"]["colour"] = "thing_id"
    return add_optional_field(event)


def add_choice(event: Event) -> bool:
    return _replace(event, "enum", lambda choices: [*choices, "d"])


def lengthen(event: Event) -> bool:
    return _replace(event, "maxLength", lambda length: length + 1)


def lower_minimum(event: Event) -> bool:
    return _replace(event, "minimum", lambda minimum: minimum - 1)


def remove_maximum(event: Event) -> bool:
    return _drop(event, "exclusiveMaximum") or _drop(event, "maxItems")


def remove_pattern(event: Event) -> bool:
    return _drop(event, "pattern")


def allow_additional_properties(event: Event) -> bool:
    event["schema"]["additionalProperties"] = True
    return True


def make_field_derivable(event: Event) -> bool:
    event["told"] = ["thing_id"]
    return True


def remove_field(event: Event) -> bool:
    del event["schema"]["properties"]["thing_id"]
    event["schema"]["required"].remove("thing_id")
    return True


def rename_field(event: Event) -> bool:
    properties, required = event["schema"]["properties"], event["schema"]["required"]
    properties["renamed_id"] = properties.pop("thing_id")
    required[required.index("thing_id")] = "renamed_id"
    return True


def add_required_field(event: Event) -> bool:
    event["schema"]["required"] = [*event["schema"]["required"], "colour"]
    return add_optional_field(event)


def require_field(event: Event) -> bool:
    schema = event["schema"]
    optional = sorted(schema["properties"].keys() - set(schema["required"]))
    schema["required"] = [*schema["required"], *optional[:1]]
    return bool(optional)


def make_field_optional(event: Event) -> bool:
    event["schema"]["required"] = event["schema"]["required"][1:]
    return True


def require_inner_field(event: Event) -> bool:
    steps = [part for part in parts(event) if "hours" in part.get("properties", {})]
    for step in steps:
        step["required"] = ["id", "hours"]
    return bool(steps)


def remove_choice(event: Event) -> bool:
    return _replace(event, "enum", lambda choices: choices[1:])


def limit_to_choices(event: Event) -> bool:
    texts = [part for part in parts(event) if part["type"] == "string" and "enum" not in part]
    for part in texts:
        part["enum"] = ["x"]
    return bool(texts)


def shorten(event: Event) -> bool:
    return _replace(event, "maxLength", lambda length: length - 1)


def raise_minimum(event: Event) -> bool:
    return _replace(event, "minimum", lambda minimum: minimum + 1)


def change_pattern(event: Event) -> bool:
    return _replace(event, "pattern", lambda _: "^[a-z]*$")


def change_format(event: Event) -> bool:
    return _replace(event, "format", lambda _: "email")


def change_type(event: Event) -> bool:
    return _replace(event, "type", lambda type_: "number" if type_ != "number" else "string")


def disallow_null(event: Event) -> bool:
    properties = event["schema"]["properties"]
    nullable = {field: schema for field, schema in properties.items() if "anyOf" in schema}
    for field, schema in nullable.items():
        properties[field] = {**schema["anyOf"][0], "default": None}
    return bool(nullable)


def allow_null(event: Event) -> bool:
    properties = event["schema"]["properties"]
    properties["thing_id"] = {"anyOf": [properties["thing_id"], {"type": "null"}]}
    return True


def change_default(event: Event) -> bool:
    properties = event["schema"]["properties"].values()
    changed = [schema for schema in properties if "default" in schema]
    for schema in changed:
        schema["default"] = "x"
    return bool(changed)


def change_stream(event: Event) -> bool:
    event["stream"] = "other"
    return True


def change_entity(event: Event) -> bool:
    event["entity"] = "note"
    return True


def change_intake(event: Event) -> bool:
    event["intake"] = "no" if event["intake"] != "no" else "observed"
    return True


def change_subject(event: Event) -> bool:
    event["personal"] = dict.fromkeys(event["personal"], "lead_id")
    return bool(event["personal"])


def remove_personal_marks(event: Event) -> bool:
    marked, event["personal"] = event["personal"], {}
    return bool(marked)


def add_personal_mark(event: Event) -> bool:
    unmarked = sorted(event["schema"]["properties"].keys() - event["personal"].keys())
    event["personal"] = {**event["personal"], **dict.fromkeys(unmarked[:1], "thing_id")}
    return bool(unmarked)


def decrease_version(event: Event) -> bool:
    event["version"] -= 1
    return True


def increase_version_without_upcast(event: Event) -> bool:
    event["version"] += 1
    return True


COMPATIBLE: tuple[Edit, ...] = (
    add_optional_field,
    add_optional_personal_field,
    add_choice,
    lengthen,
    lower_minimum,
    remove_maximum,
    remove_pattern,
    allow_additional_properties,
    make_field_derivable,
)
SCHEMA_BREAKING: tuple[Edit, ...] = (
    remove_field,
    rename_field,
    add_required_field,
    require_field,
    make_field_optional,
    require_inner_field,
    remove_choice,
    limit_to_choices,
    shorten,
    raise_minimum,
    change_pattern,
    change_format,
    change_type,
    disallow_null,
    allow_null,
    change_default,
)
ALWAYS_BREAKING: tuple[Edit, ...] = (
    change_stream,
    change_entity,
    change_intake,
    change_subject,
    remove_personal_marks,
    add_personal_mark,
    decrease_version,
    increase_version_without_upcast,
)
