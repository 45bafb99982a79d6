"""Policies: rules "when this event, then this command"."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from events.event import Event
from events.record import RecordedEvent
from services.application.unit_of_work import UnitOfWork

Finder: TypeAlias = Callable[[UnitOfWork, RecordedEvent], Awaitable[Sequence[UUID]]]
Action: TypeAlias = Callable[[UnitOfWork, RecordedEvent, UUID], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Policy:
    """A rule: for the events of these classes, act on each target that `find_targets` returns.

    A target is the id of an entity, such as a definition or a run. `find_targets` only reads. `act`
    is one transaction for each target, and is done once: a repetition gets the result of the first
    execution. Both decide from the log alone. They get live events of a property, readable and of
    one of the classes in `events`.
    """

    name: str
    events: tuple[type[Event], ...]
    find_targets: Finder
    act: Action


def readable(recorded: RecordedEvent) -> Event:
    """Return the event, which is checked to be readable before a policy gets it."""
    assert isinstance(recorded.event, Event)  # noqa: S101
    return recorded.event
