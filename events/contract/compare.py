"""What became of a JSON Schema: which differences the other side can live with.

Both sides count. What was valid must stay valid, for producers and for the log; and what readers
could rely on must stay true. So fields may be added where they are optional, choices may be
added, bounds may loosen: everything else needs a new version of the event.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, NamedTuple

Schema = dict[str, Any]


class Verdict(StrEnum):
    """Whether others can live with a change."""

    COMPATIBLE = "compatible"
    INCOMPATIBLE = "incompatible"


class Change(NamedTuple):
    """One difference: where, what, and whether others can live with it."""

    verdict: Verdict
    where: str
    what: str


_ANNOTATIONS = {"title", "description", "examples", "$defs", "$schema", "$id"}
_LOWER = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}
_UPPER = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}
_STRUCTURE = {"properties", "required", "items", "additionalProperties", "anyOf", "enum"}


def changes(before: Schema, after: Schema, where: str) -> Iterator[Change]:
    """Every difference between two self-contained schemas of the same thing."""
    yield from _compare(before, after, where, before.get("$defs", {}), after.get("$defs", {}))


def _compare(old: Schema, new: Schema, where: str, olds: Schema, news: Schema) -> Iterator[Change]:
    old, new = _plain(old, olds), _plain(new, news)
    if "anyOf" in old or "anyOf" in new:
        yield from _alternatives(old, new, where, olds, news)
        return
    if old.get("type") != new.get("type"):
        yield _no(where, f"type {old.get('type')} became {new.get('type')}")
        return
    yield from _choices(old, new, where)
    yield from _keywords(old, new, where)
    yield from _fields(old, new, where, olds, news)
    for part in ("items", "additionalProperties"):
        yield from _part(old.get(part, True), new.get(part, True), f"{where}[]", olds, news)


def _plain(schema: Schema, definitions: Schema) -> Schema:
    """`schema` with its reference followed, its constant a choice of one."""
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
            yield _no(where, "a union of like types changed")
        return
    if before.keys() != after.keys():
        yield _no(where, f"type {_types(before)} became {_types(after)}")
        return
    yield from _keywords(_without_union(old), _without_union(new), where)
    for kind, alternative in before.items():
        yield from _compare(alternative, after[kind], where, olds, news)


def _without_union(schema: Schema) -> Schema:
    """What is said beside the alternatives; where there are none, only the default is."""
    kept = schema if "anyOf" in schema else {k: schema[k] for k in ("default",) if k in schema}
    return {key: value for key, value in kept.items() if key != "anyOf"}


def _union(schema: Schema) -> list[Schema]:
    alone = {key: value for key, value in schema.items() if key != "default"}
    found: list[Schema] = schema.get("anyOf", [alone])
    return found


def _by_type(schema: Schema, definitions: Schema) -> dict[str, Schema]:
    found = [_plain(choice, definitions) for choice in _union(schema)]
    return {f"{choice.get('type')}/{choice.get('format', '')}": choice for choice in found}


def _types(alternatives: dict[str, Schema]) -> str:
    return " or ".join(kind.rstrip("/") for kind in sorted(alternatives))


def _choices(old: Schema, new: Schema, where: str) -> Iterator[Change]:
    before, after = old.get("enum"), new.get("enum")
    if before is None and after is not None:
        yield _no(where, f"only {after} are allowed now")
    elif before is not None and after is None:
        yield _yes(where, "any value is allowed now")
    elif before is not None and after is not None:
        for value in (value for value in before if value not in after):
            yield _no(where, f"{value!r} is no longer allowed")
        for value in (value for value in after if value not in before):
            yield _yes(where, f"{value!r} is allowed now")


def _keywords(old: Schema, new: Schema, where: str) -> Iterator[Change]:
    for keyword in sorted((old.keys() | new.keys()) - _STRUCTURE - _ANNOTATIONS):
        before, after = old.get(keyword), new.get(keyword)
        if before == after and (keyword in old) == (keyword in new):
            continue
        what = f"{keyword} {before} became {after}"
        yield _yes(where, what) if _loosened(keyword, before, after) else _no(where, what)


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
    needed, needs = set(old.get("required", ())), set(new.get("required", ()))
    for field in before:
        at = f"{where}.{field}"
        if field not in after:
            yield _no(at, "field is gone")
            continue
        if (field in needed) != (field in needs):
            yield _no(at, "field became " + ("required" if field in needs else "optional"))
        yield from _compare(before[field], after[field], at, olds, news)
    for field in after.keys() - before.keys():
        if field in needs:
            yield _no(f"{where}.{field}", "new field is required")
        else:
            yield _yes(f"{where}.{field}", "new optional field")


def _part(old: Any, new: Any, where: str, olds: Schema, news: Schema) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _compare(old, new, where, olds, news)
    elif old != new:
        loosened = new is True or old is False
        yield (_yes if loosened else _no)(where, f"allowed {_said(old)}, now {_said(new)}")


def _said(part: Any) -> str:
    return "some" if isinstance(part, dict) else "anything" if part else "nothing"


def _yes(where: str, what: str) -> Change:
    return Change(Verdict.COMPATIBLE, where, what)


def _no(where: str, what: str) -> Change:
    return Change(Verdict.INCOMPATIBLE, where, what)
