"""The comparison of two JSON Schemas: which differences are compatible.

Valid payloads must stay valid, for producers and for the log, and the guarantees for consumers
must remain true. So optional fields and choices may be added and bounds may be widened. Every
other change needs a new version of the event.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, NamedTuple

Schema = dict[str, Any]


class Verdict(StrEnum):
    """The compatibility of a change."""

    COMPATIBLE = "compatible"
    INCOMPATIBLE = "incompatible"


class Change(NamedTuple):
    """One difference: its location, a description and its compatibility."""

    verdict: Verdict
    where: str
    what: str


_ANNOTATIONS = {"title", "description", "examples", "$defs", "$schema", "$id"}
_LOWER = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}
_UPPER = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}
_STRUCTURE = {"properties", "required", "items", "additionalProperties", "anyOf", "enum"}


def changes(before: Schema, after: Schema, where: str) -> Iterator[Change]:
    """Yield every difference between two self-contained schemas of the same event."""
    yield from _compare(before, after, where, before.get("$defs", {}), after.get("$defs", {}))


def _compare(old: Schema, new: Schema, where: str, olds: Schema, news: Schema) -> Iterator[Change]:
    old, new = _resolve(old, olds), _resolve(new, news)
    if "anyOf" in old or "anyOf" in new:
        yield from _alternatives(old, new, where, olds, news)
        return
    if old.get("type") != new.get("type"):
        yield _incompatible(where, f"type {old.get('type')} became {new.get('type')}")
        return
    yield from _choices(old, new, where)
    yield from _keywords(old, new, where)
    yield from _fields(old, new, where, olds, news)
    for part in ("items", "additionalProperties"):
        yield from _part(old.get(part, True), new.get(part, True), f"{where}[]", olds, news)


def _resolve(schema: Schema, definitions: Schema) -> Schema:
    """Return `schema` with references resolved and a constant as an enum of one value."""
    while "$ref" in schema:
        target = definitions[schema["$ref"].rsplit("/", 1)[1]]
        schema = {**target, **{k: v for k, v in schema.items() if k != "$ref"}}
    if "const" in schema:
        rest = {key: value for key, value in schema.items() if key != "const"}
        schema = {**rest, "enum": [schema["const"]]}
    return schema


def _alternatives(
    old: Schema, new: Schema, where: str, olds: Schema, news: Schema
) -> Iterator[Change]:
    before, after = _by_type(old, olds), _by_type(new, news)
    if max(len(before), len(after)) < max(len(_union(old)), len(_union(new))):
        if old != new:
            yield _incompatible(where, "a union of alternatives of one type changed")
        return
    if before.keys() != after.keys():
        yield _incompatible(where, f"type {_types(before)} became {_types(after)}")
        return
    yield from _keywords(_without_union(old), _without_union(new), where)
    for kind, alternative in before.items():
        yield from _compare(alternative, after[kind], where, olds, news)


def _without_union(schema: Schema) -> Schema:
    """Return the keywords beside the alternatives; without alternatives only the default."""
    beside = schema if "anyOf" in schema else {k: schema[k] for k in ("default",) if k in schema}
    return {key: value for key, value in beside.items() if key != "anyOf"}


def _union(schema: Schema) -> list[Schema]:
    single = {key: value for key, value in schema.items() if key != "default"}
    alternatives: list[Schema] = schema.get("anyOf", [single])
    return alternatives


def _by_type(schema: Schema, definitions: Schema) -> dict[str, Schema]:
    choices = [_resolve(choice, definitions) for choice in _union(schema)]
    return {f"{choice.get('type')}/{choice.get('format', '')}": choice for choice in choices}


def _types(alternatives: dict[str, Schema]) -> str:
    return " or ".join(kind.rstrip("/") for kind in sorted(alternatives))


def _choices(old: Schema, new: Schema, where: str) -> Iterator[Change]:
    before, after = old.get("enum"), new.get("enum")
    if before is None and after is not None:
        yield _incompatible(where, f"only {after} are allowed now")
    elif before is not None and after is None:
        yield _compatible(where, "any value is allowed now")
    elif before is not None and after is not None:
        for value in (value for value in before if value not in after):
            yield _incompatible(where, f"{value!r} is no longer allowed")
        for value in (value for value in after if value not in before):
            yield _compatible(where, f"{value!r} is allowed now")


def _keywords(old: Schema, new: Schema, where: str) -> Iterator[Change]:
    for keyword in sorted((old.keys() | new.keys()) - _STRUCTURE - _ANNOTATIONS):
        before, after = old.get(keyword), new.get(keyword)
        if before == after and (keyword in old) == (keyword in new):
            continue
        what = f"{keyword} {before} became {after}"
        yield (
            _compatible(where, what)
            if _loosened(keyword, before, after)
            else _incompatible(where, what)
        )


def _loosened(keyword: str, before: Any, after: Any) -> bool:
    if keyword not in _LOWER | _UPPER | {"pattern"}:
        return False
    if after is None:
        return True
    if before is None or keyword == "pattern":
        return False
    return bool(after < before if keyword in _LOWER else after > before)


def _fields(old: Schema, new: Schema, where: str, olds: Schema, news: Schema) -> Iterator[Change]:
    before, after = old.get("properties", {}), new.get("properties", {})
    was_required, is_required = set(old.get("required", ())), set(new.get("required", ()))
    for field in before:
        at = f"{where}.{field}"
        if field not in after:
            yield _incompatible(at, "field was removed")
            continue
        if (field in was_required) != (field in is_required):
            yield _incompatible(
                at, "field became " + ("required" if field in is_required else "optional")
            )
        yield from _compare(before[field], after[field], at, olds, news)
    for field in after.keys() - before.keys():
        if field in is_required:
            yield _incompatible(f"{where}.{field}", "new field is required")
        else:
            yield _compatible(f"{where}.{field}", "new optional field")


def _part(old: Any, new: Any, where: str, olds: Schema, news: Schema) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _compare(old, new, where, olds, news)
    elif old != new:
        loosened = new is True or old is False
        change = _compatible if loosened else _incompatible
        yield change(where, f"allowed {_describe(old)}, now {_describe(new)}")


def _describe(part: Any) -> str:
    return "some" if isinstance(part, dict) else "anything" if part else "nothing"


def _compatible(where: str, what: str) -> Change:
    return Change(Verdict.COMPATIBLE, where, what)


def _incompatible(where: str, what: str) -> Change:
    return Change(Verdict.INCOMPATIBLE, where, what)
