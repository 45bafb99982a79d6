"""The personal content of events: what is encrypted, for whom, and what an erasure leaves."""

from collections.abc import Mapping
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any, get_origin, get_type_hints
from uuid import UUID

from events.event import ERASED_TEXT, Event, personal_fields, plain_types


@cache
def subject_field(kind: type[Event]) -> str | None:
    """Return the field with the id of the data subject; None for a class without personal fields.

    Raises `ValueError` for a class with several: its events could not be encrypted with one key.
    """
    subjects = set(personal_fields(kind).values())
    if len(subjects) > 1:
        raise ValueError(f"{kind.name} has several data subjects: {', '.join(sorted(subjects))}")
    return next(iter(subjects), None)


def personal_content(event: Event) -> tuple[str, ...]:
    """Return the personal fields of an event that have a content: neither null nor `{}`."""
    fields = personal_fields(type(event))
    if not fields:
        return ()
    values, present = event.__dict__, event.__pydantic_fields_set__
    names = [
        name for name in fields
        if name in present and (value := values[name]) is not None and (value or value != {})
    ]  # fmt: skip
    return _shared(tuple(names))


@lru_cache(maxsize=1_024)
def _shared(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return one tuple for the same names: many new objects would start the garbage collector."""
    return names


def data_subject(event: Event) -> UUID | None:
    """Return the data subject of an event, or None for a class without personal fields."""
    field = subject_field(type(event))
    subject_id: UUID | None = None if field is None else event.__dict__[field]
    return subject_id


@cache
def erased_values(kind: type[Event]) -> Mapping[str, Any]:
    """Return personal field → the value that it has after an erasure.

    That is null where the field allows it, `{}` for a JSON object, else `ERASED_TEXT`.
    """
    hints = get_type_hints(kind, include_extras=True)
    return MappingProxyType({name: _erased_value(hints[name]) for name in personal_fields(kind)})


def _erased_value(hint: Any) -> Any:
    types = plain_types(hint)
    if type(None) in types:
        return None
    return {} if any(get_origin(part) is dict for part in types) else ERASED_TEXT
