"""What every event has in common: a name for ever, a version, a stream, and marked fields."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar, get_args, get_type_hints
from uuid import UUID

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema

from events.uuids import with_quick_ids


class Intake(StrEnum):
    """What a producer on the intake topic may send."""

    OBSERVED = "observed"
    """Somebody else saw it happen: appended as it is, at the stream's next version."""
    DECIDED = "decided"
    """The producer says it happened; the core's decider must agree."""
    NO = "no"
    """Only the core says this."""


@dataclass(frozen=True, slots=True)
class Personal:
    """Marks a field as personal data of the subject whose id another field of the event holds."""

    subject: str


@dataclass(frozen=True, slots=True)
class Reference:
    """Marks an id of something no projection keeps, so a parked event does not hold it back."""


Foreign = Annotated[UUID, Reference()]
"""An id that is only mentioned (an agent, a provider's record), not an entity of the log."""


class Event(BaseModel):
    """A fact. Frozen, closed to unknown fields, named by hand and never renamed.

    A subclass says its `name`, its schema `version`, the `stream` (entity type) whose version it
    moves, `entity` (the field that holds the stream's id) and what `intake` may bring.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    version: ClassVar[int] = 1
    stream: ClassVar[str]
    entity: ClassVar[str]
    intake: ClassVar[Intake] = Intake.NO

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return with_quick_ids(handler(source))

    @property
    def stream_id(self) -> UUID:
        """The id of the stream this event belongs to."""
        found: UUID = getattr(self, self.entity)
        return found

    def named_by(self, event_id: UUID) -> frozenset[UUID]:
        """The ids that follow from this event's own: rows are named by them, until they go."""
        return frozenset({event_id})

    @property
    def lead(self) -> UUID | None:
        """The lead this event is about, where it names one."""
        return getattr(self, "lead_id", None)


@cache
def personal_fields(kind: type[Event]) -> dict[str, str]:
    """Field → the field holding its subject's id, for each personal field of `kind`."""
    return {
        name: mark.subject
        for name, field in kind.model_fields.items()
        for mark in field.metadata
        if isinstance(mark, Personal)
    }


@cache
def _touching_fields(kind: type[Event]) -> tuple[str, ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple(
        name
        for name in kind.model_fields
        if UUID in _plain_types(hints[name])
        and not any(isinstance(mark, Reference) for mark in _marks(hints[name]))
    )


def _plain_types(hint: Any) -> set[Any]:
    """Every type named in `hint`, whatever unions, lists and annotations it is wrapped in."""
    parts = get_args(hint)
    return {hint}.union(*(_plain_types(part) for part in parts))


def _marks(hint: Any) -> Iterator[object]:
    yield from getattr(hint, "__metadata__", ())
    for part in get_args(hint):
        yield from _marks(part)


def touches(event: Event) -> frozenset[UUID]:
    """The ids of everything `event` says something about: what must wait while it is parked."""
    found: set[UUID] = set()
    for name in _touching_fields(type(event)):
        value = getattr(event, name)
        if isinstance(value, UUID):
            found.add(value)
        elif value:
            found.update(value)
    return frozenset(found)
