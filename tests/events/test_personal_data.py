"""Personal data in the catalog: no text is without a decision whether it is personal."""

import re
from collections.abc import Iterator
from enum import Enum
from typing import Any, get_args, get_type_hints
from uuid import UUID

import pytest
from pydantic import BaseModel

from events.catalog import CATALOG, Entry
from events.event import Event, Personal, personal_fields
from events.fields import NotPersonal
from tests.events.frozen import SAMPLES, Sample

_UUID = re.compile(r"[0-9a-f-]{36}")
every_event = pytest.mark.parametrize("entry", CATALOG.values(), ids=lambda entry: entry.name)


@every_event
def test_every_text_and_json_field_is_personal_or_has_a_reason_why_not(entry: Entry) -> None:
    hints = get_type_hints(entry.kind, include_extras=True)
    undecided = [
        field
        for field in entry.kind.model_fields
        if any(_undecided_texts(hints[field])) and field not in entry.personal
    ]
    assert not undecided, (
        f"{entry.name}: mark {undecided} with Personal(…), or with NotPersonal and the reason"
    )


@every_event
def test_no_field_is_both_personal_and_not(entry: Entry) -> None:
    hints = get_type_hints(entry.kind, include_extras=True)
    for field in entry.personal:
        assert not any(isinstance(mark, NotPersonal) for mark in _marks(hints[field])), field


@every_event
def test_a_personal_mark_is_at_the_field_where_the_codec_finds_it(entry: Entry) -> None:
    hints = get_type_hints(entry.kind, include_extras=True)
    marked = {
        field
        for field in entry.kind.model_fields
        if any(isinstance(mark, Personal) for mark in _marks(hints[field]))
    }
    assert marked == entry.personal.keys()


@every_event
def test_the_personal_fields_of_an_event_belong_to_one_data_subject(entry: Entry) -> None:
    assert len(set(entry.personal.values())) <= 1


@every_event
def test_a_reason_is_a_sentence(entry: Entry) -> None:
    hints = get_type_hints(entry.kind, include_extras=True)
    reasons = [
        mark.reason
        for field in entry.kind.model_fields
        for mark in _marks(hints[field])
        if isinstance(mark, NotPersonal)
    ]
    assert all(reason.endswith(".") and len(reason.split()) > 3 for reason in reasons)


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_the_texts_of_an_old_version_are_personal_in_the_current_one_too(sample: Sample) -> None:
    """An old payload is sealed and read by the marks of the current version."""
    kind = CATALOG[sample.name].kind
    texts = {field for field, value in sample.fields.items() if _is_free_text(value)}
    assert texts <= kind.model_fields.keys() | DROPPED.get((sample.name, sample.version), set())


DROPPED = {("session.started", 1): {"visitor_id"}}
"""(name, version) → texts that an upcast drops. Migrations have replaced them in stored events."""


def test_a_text_within_a_list_a_union_or_a_model_needs_a_mark() -> None:
    class Inner(BaseModel):
        text: str

    class Outer(Event):
        listed: tuple[str, ...]
        optional: str | None
        nested: Inner
        free: dict[str, Any]
        choice: Colour
        id: UUID

    hints = get_type_hints(Outer, include_extras=True, localns={"Inner": Inner})
    undecided = {field for field in Outer.model_fields if any(_undecided_texts(hints[field]))}
    assert undecided == {"listed", "optional", "nested", "free"}
    assert personal_fields(Outer) == {}


class Colour(Enum):
    """A choice, which is no free text."""

    RED = "red"


def _undecided_texts(hint: Any) -> Iterator[Any]:
    """Yield each type in `hint` that can hold free text and is within no mark `NotPersonal`."""
    if any(isinstance(mark, NotPersonal) for mark in getattr(hint, "__metadata__", ())):
        return
    if hint in (str, bytes, dict, Any, object):
        yield hint
    elif isinstance(hint, type) and issubclass(hint, BaseModel):
        for part in get_type_hints(hint, include_extras=True).values():
            yield from _undecided_texts(part)
    for part in get_args(hint):
        yield from _undecided_texts(part)


def _marks(hint: Any) -> Iterator[object]:
    yield from getattr(hint, "__metadata__", ())
    for part in get_args(hint):
        yield from _marks(part)


def _is_free_text(value: object) -> bool:
    if isinstance(value, str):
        return _UUID.fullmatch(value) is None
    return isinstance(value, dict) or (
        isinstance(value, list) and any(_is_free_text(item) for item in value)
    )
