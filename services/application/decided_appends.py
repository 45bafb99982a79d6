"""The events that a unit of work has decided and not yet appended."""

from collections.abc import Iterable, Sequence
from uuid import UUID, uuid5

from uuid_utils.compat import uuid7

from events.event import Event
from events.ids import message_event_id, message_id_of
from events.log.shard import shard_of
from events.record import NewEvent, RecordedEvent, Stream
from services.application.scope import Scope


class DecidedAppends:
    """Decided events with their ids, in order. Ids are derived from `seed`, or else new."""

    def __init__(self, scope: Scope, seed: UUID | None) -> None:
        self._scope, self._seed = scope, seed
        self.events: list[tuple[UUID, Event]] = []
        self.numbers: dict[Stream, list[int]] = {}
        """Stream → the indexes of its events."""

    def add(self, events: Iterable[Event]) -> None:
        """Add the events of a command."""
        for event in events:
            stream = Stream(event.stream, event.stream_id)
            self.numbers.setdefault(stream, []).append(len(self.events))
            self.events.append((self._event_id(event), event))

    def assign_event_id(self, event: Event, event_id: UUID) -> None:
        """Give a decided event another id."""
        self.events = [
            (event_id if other is event else other_id, other) for other_id, other in self.events
        ]

    def numbers_of(self, streams: Iterable[Stream]) -> list[int]:
        """Return the indexes of the events of streams, in order."""
        return sorted(n for stream in streams for n in self.numbers.get(stream, ()))

    def of(self, stream: Stream) -> list[Event]:
        """Return the events of a stream."""
        return [self.events[number][1] for number in self.numbers.get(stream, ())]

    def new_events(self) -> list[NewEvent]:
        """Return all events as they are appended."""
        scope = self._scope
        return [
            NewEvent(event_id, event, scope.org_id, scope.event_property_id, scope.at, scope.cause)
            for event_id, event in self.events
        ]

    def recorded(self, stream: Stream, version: int) -> list[RecordedEvent]:
        """Return the events of a stream as they will be recorded after `version`.

        Positions are 0.
        """
        return [
            self._as_recorded(*self.events[number], version + n)
            for n, number in enumerate(self.numbers.get(stream, ()), start=1)
        ]

    def continued(
        self, stream: Stream, history: Sequence[RecordedEvent]
    ) -> Sequence[RecordedEvent]:
        """Return the events of a stream with the decided ones."""
        if stream not in self.numbers:
            return history
        return [*history, *self.recorded(stream, history[-1].version if history else 0)]

    def _as_recorded(self, event_id: UUID, event: Event, version: int) -> RecordedEvent:
        scope, cause = self._scope, self._scope.cause
        return RecordedEvent(
            event_id, event, event.stream, event.stream_id, version,
            shard_of(scope.property_id), 0, 0, scope.org_id,
            scope.event_property_id, event.lead, scope.at, scope.at, cause.actor,
            cause.origin.value, cause.correlation_id, cause.causation_id,
        )  # fmt: skip

    def _event_id(self, event: Event) -> UUID:
        """Return the id of the next decided event: the same again if the command is repeated."""
        if (message_id := message_id_of(event)) is not None:
            return message_event_id(message_id)
        if self._seed is None:
            return uuid7()
        return uuid5(self._seed, str(len(self.events)))
