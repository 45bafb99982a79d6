"""Events as rows of the log: new ones, recorded ones and those that this build cannot read."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple, Self
from uuid import UUID

import orjson

from events.event import Event
from events.trace_context import TraceContext


class Origin(StrEnum):
    """The way in which an event came into the log. Policies react to `live` events only."""

    LIVE = "live"
    IMPORT = "import"
    ADOPT = "adopt"
    CORRECTION = "correction"


class Stream(NamedTuple):
    """The events of one entity."""

    entity_type: str
    entity_id: UUID


@dataclass(frozen=True, slots=True)
class Cause:
    """The origin of new events, the same for all events of one command.

    `actor` is `visitor:<id>`, `user:<id>`, `producer:<name>`, `operator`, `timer` …
    """

    actor: str
    origin: Origin = Origin.LIVE
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    trace: TraceContext | None = None
    """The trace of the events, unless the task that appends them has a current one."""


def is_visitor(actor: str) -> bool:
    """Return whether the actor of an event is a visitor of a web site, whom nobody knows."""
    return actor.partition(":")[0] == "visitor"


HOST = "host"
"""The actor of events that describe a write of the host's other code."""


def is_outsider(actor: str) -> bool:
    """Return whether the actor of an event is a person, a producer or an import.

    All others are parts of the core, such as timers and policies.
    """
    return actor.partition(":")[0] in _OUTSIDERS


_OUTSIDERS = frozenset({"visitor", "user", "operator", "producer", "import"})


@dataclass(frozen=True)
class NewEvent:
    """An event to append. `property_id` is None only for events of an organisation."""

    id: UUID
    event: Event
    org_id: UUID
    property_id: UUID | None
    occurred_at: datetime
    cause: Cause
    stream: Stream = field(init=False, repr=False, compare=False)
    ordering_key: UUID = field(init=False, repr=False, compare=False)
    """The property id, or the organisation id for events without a property."""

    def __post_init__(self) -> None:
        # An append reads them several times. A `cached_property` of Python 3.11 takes a lock.
        self.__dict__["stream"] = Stream(self.event.stream, self.event.stream_id)
        self.__dict__["ordering_key"] = self.property_id or self.org_id


@dataclass(frozen=True, slots=True)
class UnreadableEvent:
    """An event that this build cannot read, kept so that it can be parked.

    `why` contains the reason and what to do.
    """

    name: str
    version: int
    payload: dict[str, Any]
    why: str

    @classmethod
    def of(cls, name: str, version: int, payload: bytes | str, why: str) -> Self:
        """Create one from a stored payload, which is empty here if it is not an object."""
        content = orjson.loads(payload)
        return cls(name, version, content if isinstance(content, dict) else {}, why)


class RecordedEvent(NamedTuple):
    """An event with its row in the log: stream, version, shard, positions, times and actor.

    `position` and `previous` are 0 until the sequencer has numbered the row. `event` has the
    current version.
    """

    id: UUID
    event: Event | UnreadableEvent
    entity_type: str
    entity_id: UUID
    version: int
    shard: int
    position: int
    previous: int
    org_id: UUID
    property_id: UUID | None
    lead_id: UUID | None
    occurred_at: datetime
    recorded_at: datetime
    actor: str
    origin: str
    correlation_id: UUID | None
    causation_id: UUID | None


make_recorded_event: Callable[[Iterable[Any]], RecordedEvent] = partial(
    tuple.__new__, RecordedEvent
)
"""Create a recorded event from its fields in order: faster than a call of the class."""
