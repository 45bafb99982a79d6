"""Edits of an event's contract, by what they mean to producers, readers and the log."""

from typing import Any

from tests.events.contract.schemas import Edit, Event, parts


def _each(event: Event, keyword: str, change: Any) -> bool:
    found = [part for part in parts(event) if keyword in part]
    for part in found:
        part[keyword] = change(part[keyword])
    return bool(found)


def _drop(event: Event, keyword: str) -> bool:
    found = [part for part in parts(event) if keyword in part]
    for part in found:
        del part[keyword]
    return bool(found)


def add_optional_field(event: Event) -> bool:
    event["schema"]["properties"]["colour"] = {"type": "string"}
    return True


def add_optional_personal_field(event: Event) -> bool:
    event["personal"]["colour"] = "thing_id"
    return add_optional_field(event)


def add_choice(event: Event) -> bool:
    return _each(event, "enum", lambda choices: [*choices, "d"])


def lengthen(event: Event) -> bool:
    return _each(event, "maxLength", lambda length: length + 1)


def lower_minimum(event: Event) -> bool:
    return _each(event, "minimum", lambda least: least - 1)


def forget_maximum(event: Event) -> bool:
    return _drop(event, "exclusiveMaximum") or _drop(event, "maxItems")


def forget_pattern(event: Event) -> bool:
    return _drop(event, "pattern")


def open_objects(event: Event) -> bool:
    event["schema"]["additionalProperties"] = True
    return True


def let_producers_leave_out(event: Event) -> bool:
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
    return _each(event, "enum", lambda choices: choices[1:])


def limit_to_choices(event: Event) -> bool:
    free = [p for p in parts(event) if p["type"] == "string" and "enum" not in p]
    for part in free:
        part["enum"] = ["x"]
    return bool(free)


def shorten(event: Event) -> bool:
    return _each(event, "maxLength", lambda length: length - 1)


def raise_minimum(event: Event) -> bool:
    return _each(event, "minimum", lambda least: least + 1)


def change_pattern(event: Event) -> bool:
    return _each(event, "pattern", lambda _: "^[a-z]*$")


def change_format(event: Event) -> bool:
    return _each(event, "format", lambda _: "email")


def change_type(event: Event) -> bool:
    return _each(event, "type", lambda kind: "number" if kind != "number" else "string")


def take_null_away(event: Event) -> bool:
    found = False
    for field, kind in event["schema"]["properties"].items():
        if "anyOf" in kind:
            event["schema"]["properties"][field] = {**kind["anyOf"][0], "default": None}
            found = True
    return found


def let_null_in(event: Event) -> bool:
    properties = event["schema"]["properties"]
    properties["thing_id"] = {"anyOf": [properties["thing_id"], {"type": "null"}]}
    return True


def change_default(event: Event) -> bool:
    found = [kind for kind in event["schema"]["properties"].values() if "default" in kind]
    for kind in found:
        kind["default"] = "x"
    return bool(found)


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


def unmark(event: Event) -> bool:
    marked, event["personal"] = event["personal"], {}
    return bool(marked)


def mark(event: Event) -> bool:
    unmarked = sorted(event["schema"]["properties"].keys() - event["personal"].keys())
    event["personal"] = {**event["personal"], **dict.fromkeys(unmarked[:1], "thing_id")}
    return bool(unmarked)


def go_back(event: Event) -> bool:
    event["version"] -= 1
    return True


def skip_the_upcast(event: Event) -> bool:
    event["version"] += 1
    return True


KIND: tuple[Edit, ...] = (
    add_optional_field,
    add_optional_personal_field,
    add_choice,
    lengthen,
    lower_minimum,
    forget_maximum,
    forget_pattern,
    open_objects,
    let_producers_leave_out,
)
SHAPE_BREAKING: tuple[Edit, ...] = (
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
    take_null_away,
    let_null_in,
    change_default,
)
ALWAYS_BREAKING: tuple[Edit, ...] = (
    change_stream,
    change_entity,
    change_intake,
    change_subject,
    unmark,
    mark,
    go_back,
    skip_the_upcast,
)
