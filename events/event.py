"""The base class of all events, the marks of their fields, and what is derived from the marks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, get_args, get_type_hints
from uuid import UUID

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema

from events.uuids import with_quick_ids

MAX_HASHED_LENGTH = 320
"""The longest value that is stored as its keyed hash."""


class Intake(StrEnum):
    """The intake mode of an event: what happens to one that a producer sends."""

    OBSERVED = "observed"
    """The event is appended as it is, at the next version of its stream."""
    DECIDED = "decided"
    """The decider of the core must agree before the event is appended."""
    NO = "no"
    """Only the core writes the event: the intake rejects it."""


@dataclass(frozen=True, slots=True)
class Personal:
    """A mark of a personal field: `subject` is the field with the id of its data subject.

    All personal fields of an event class have the same data subject. An erased field has its
    erased value: `personal.erased_values`.
    """

    subject: str


ERASED_TEXT = "[erased]"
"""The erased value of a text that cannot be null."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A mark of an id that no projection keeps: a parked event does not hold back such an id."""


Foreign = Annotated[UUID, Reference()]
"""An id that is only a reference (an agent, a provider's record), not an entity of the log."""


class Event(BaseModel):
    """A past occurrence: immutable, without unknown fields, with a name that never changes.

    A subclass declares

    - `name` and `version`, the version of its payload's schema;
    - `stream`, the entity type whose stream it belongs to, and `entity`, the field with its id;
    - `intake`, what a producer may send;
    - `begins`, whether it may be the first event of its stream;
    - `requires`, field → stream: entities that must exist in the same property before it;
    - `optional_ids`, the fields with ids of entities that need not exist before it;
    - `derivable`, the fields that a producer may omit because the core can compute them;
    - `producer_values`, field → the values of it that a producer may send, if not all;
    - `hashed`, field → field: a value that a producer sends in the first one, of which the core
      stores only the keyed hash, in the second one;
    - `sparse`, the fields that a new event leaves out when they have their default value;
    - `planned`, whether no code produces it yet.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: ClassVar[str]
    version: ClassVar[int] = 1
    stream: ClassVar[str]
    entity: ClassVar[str]
    intake: ClassVar[Intake] = Intake.NO
    begins: ClassVar[bool] = False
    requires: ClassVar[Mapping[str, str]] = MappingProxyType({})
    optional_ids: ClassVar[frozenset[str]] = frozenset()
    derivable: ClassVar[frozenset[str]] = frozenset()
    producer_values: ClassVar[Mapping[str, frozenset[str]]] = MappingProxyType({})
    hashed: ClassVar[Mapping[str, str]] = MappingProxyType({})
    sparse: ClassVar[frozenset[str]] = frozenset()
    planned: ClassVar[bool] = False

    def __init__(self, /, **fields: Any) -> None:
        """Create an event; an optional field that is given as None is left out.

        So deciders can pass optional values without a test, and the stored payload has no key for
        them. Validation does not pass here: payloads that are read keep their nulls.
        """
        omitted = _omitted_values(type(self))
        super().__init__(**{
            name: value for name, value in fields.items()
            if name not in omitted or value != omitted[name]
        })  # fmt: skip

    # Without the mark, pydantic calls `__init__` when it validates, which would drop stored nulls.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return with_quick_ids(handler(source))

    @classmethod
    def derive(cls, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the payload of a producer with the derivable fields that it omitted."""
        return payload

    @property
    def stream_id(self) -> UUID:
        """Return the id of the stream that the event belongs to."""
        stream_id: UUID = self.__dict__[self.entity]
        return stream_id

    @property
    def lead(self) -> UUID | None:
        """Return the lead that the event is about, or None."""
        return self.__dict__.get("lead_id")  # `getattr` is slow where the model lacks the field

    def row_ids(self, event_id: UUID) -> frozenset[UUID]:
        """Return the ids of rows that are derived from the id of this event."""
        return frozenset({event_id})

    def producer_objection(self) -> str | None:
        """Return why a producer may not send this event although its type may be sent, or None."""
        for field, values in self.producer_values.items():
            if (value := getattr(self, field)) not in values:
                return f"{field} {value} is derived from another event: send that event instead"
        return None


class ChangeEvent(Event):
    """An event that changes fields: an absent field keeps its value, null empties it."""

    unchanging: ClassVar[frozenset[str]]
    """Fields that are no changes: the entity's id and who made the change."""

    @property
    def changes(self) -> dict[str, Any]:
        """Map each changed field to its new value."""
        changed = self.model_fields_set - self.unchanging
        return {field: getattr(self, field) for field in sorted(changed)}


@cache
def _omitted_values(kind: type[Event]) -> dict[str, Any]:
    """Return field → the value that means absent in it. No field that null empties is in it."""
    optional = {
        name: field.default for name, field in kind.model_fields.items()
        if not field.is_required() and (field.default is None or name in kind.sparse)
    }  # fmt: skip
    if issubclass(kind, ChangeEvent):
        return {name: value for name, value in optional.items() if name in kind.unchanging}
    return optional


@cache
def personal_fields(kind: type[Event]) -> dict[str, str]:
    """Return field → the field with the id of its data subject, for each personal field."""
    return {
        name: mark.subject
        for name, field in kind.model_fields.items()
        for mark in field.metadata
        if isinstance(mark, Personal)
    }


@cache
def entity_id_fields(kind: type[Event]) -> tuple[str, ...]:
    """Return the fields that hold ids of entities, one or several; references are left out."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple(
        name
        for name in kind.model_fields
        if UUID in plain_types(hints[name])
        and not any(isinstance(mark, Reference) for mark in _marks(hints[name]))
    )


@cache
def time_fields(kind: type[Event]) -> tuple[str, ...]:
    """Return the fields that hold a day or an instant."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple(name for name in kind.model_fields if {date, datetime} & plain_types(hints[name]))


def plain_types(hint: Any) -> set[Any]:
    """Return every type named in `hint`, within unions, lists and annotations too."""
    parts = get_args(hint)
    return {hint}.union(*(plain_types(part) for part in parts))


def _marks(hint: Any) -> Iterator[object]:
    yield from getattr(hint, "__metadata__", ())
    for part in get_args(hint):
        yield from _marks(part)


def ids_in(event: Event, field: str) -> tuple[UUID, ...]:
    """Return the ids that a field holds: none, one or several."""
    value = getattr(event, field)
    if isinstance(value, UUID):
        return (value,)
    return tuple(value or ())


def touches(event: Event) -> frozenset[UUID]:
    """Return the ids of all entities of `event`: events that touch them wait while it is parked."""
    return frozenset(
        entity_id for field in entity_id_fields(type(event)) for entity_id in ids_in(event, field)
    )
