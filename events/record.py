"""A fact as the log keeps it: the event, where it stands in the order, and who said it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple, Self
from uuid import UUID

import orjson

from events.event import Event


class Origin(StrEnum):
    """How a fact came into the log. Policies react to `live` facts only."""

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
    """Why a fact is being written, the same for all facts of one command.

    `actor` is `visitor:<id>`, `user:<id>`, `producer:<name>`, `operator`, `timer` …
    """

    actor: str
    origin: Origin = Origin.LIVE
    correlation_id: UUID | None = None
    causation_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A fact to be appended. `property_id` is null for an organisation's own facts only."""

    id: UUID
    event: Event
    org_id: UUID
    property_id: UUID | None
    occurred_at: datetime
    cause: Cause

    @property
    def stream(self) -> Stream:
        return Stream(self.event.stream, self.event.stream_id)

    @property
    def ordering_key(self) -> UUID:
        """The unit of order: the property, or the organisation for what is above properties."""
        return self.property_id or self.org_id


@dataclass(frozen=True, slots=True)
class Unknown:
    """An event this build cannot read, kept so that it can be parked; `why` says what to do."""

    name: str
    version: int
    payload: dict[str, Any]
    why: str

    @classmethod
    def of(cls, name: str, version: int, payload: bytes | str, why: str) -> Self:
        found = orjson.loads(payload)
        return cls(name, version, found if isinstance(found, dict) else {}, why)


class RecordedEvent(NamedTuple):
    """A fact with its place in its stream, in the whole log and in its shard.

    `position` and `previous` are 0 until the sequencer has numbered the row. `event` is the
    payload in today's shape.
    """

    id: UUID
    event: Event | Unknown
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


recorded_of: Callable[[Iterable[Any]], RecordedEvent] = partial(tuple.__new__, RecordedEvent)
"""A fact of its fields in their order: what the class itself does, after a call more."""
