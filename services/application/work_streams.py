"""The streams of a unit of work: what it has read of them, and what it has decided for them."""

from collections.abc import Iterable, Sequence, Set
from typing import Any, TypeVar
from uuid import UUID, uuid5

from uuid_utils.compat import uuid7

from events.event import Event
from events.ids import message_event_id, message_id_of
from events.log import read
from events.log.connection import Connection
from events.log.errors import Conflict, WrongProperty
from events.log.shard import shard_of
from events.record import NewEvent, RecordedEvent, Stream
from services.application.scope import Scope
from services.application.stream_cache import StateKey, StreamCache
from services.deciders.decider import Decider

S = TypeVar("S")


class StreamReads:
    """The streams of one unit of work; each is read once.

    A stream of another property seems to have no events, as an unknown one. It needs no guard: it
    never moves to this property. Streams that the cache remembers are not read again.
    """

    def __init__(self, conn: Connection, scope: Scope, cache: StreamCache | None) -> None:
        self._conn, self._scope, self._cache = conn, scope, cache
        self.histories: dict[Stream, Sequence[RecordedEvent]] = {}
        self.remembered: set[Stream] = set()
        """Those of the histories that the cache remembered."""
        self.foreign: set[Stream] = set()
        self._chosen: set[Stream] = set()

    def choose(self, streams: Iterable[Stream]) -> None:
        """Expect that streams are free or of this property; a conflict if another takes them."""
        self._chosen.update(streams)

    async def read(self, streams: Iterable[Stream]) -> None:
        """Read the streams that were not read yet, with one query."""
        missing = [stream for stream in dict.fromkeys(streams) if not self._recall(stream)]
        if not missing:
            return
        # An empty history is stored too: that the stream does not exist is guarded as well.
        found: dict[Stream, list[RecordedEvent]] = {stream: [] for stream in missing}
        self.histories.update(found)
        for recorded in await read.streams(self._conn, missing):
            stream = Stream(recorded.entity_type, recorded.entity_id)
            if self._is_own(recorded):
                found[stream].append(recorded)
            elif stream in self._chosen:
                raise Conflict(stream, 0, recorded.version)
            else:
                self.foreign.add(stream)

    def recall(self, streams: Iterable[Stream]) -> bool:
        """Return whether all streams were read already or are remembered with events."""
        return all(self._recall(stream) and self.histories[stream] for stream in streams)

    def _recall(self, stream: Stream) -> bool:
        if stream in self.histories:
            return True
        events = self._cache.find(self._scope, stream) if self._cache is not None else ()
        if events:
            self.histories[stream] = events
            self.remembered.add(stream)
        return bool(events)

    def fold(self, decider: Decider[Any, S], key: StateKey) -> S:
        """Return the state after the events of streams that were read."""
        streams = key[1]
        state, starts = decider.initial, (0,) * len(streams)
        if self._cache is not None and not self.remembered.isdisjoint(streams):
            stored = self._cache.find_state(self._scope, key)
            if stored is not None and all(
                mark.is_in(self.histories[stream])
                for mark, stream in zip(stored.marks, streams, strict=True)
            ):
                state, starts = stored.state, tuple(mark.length for mark in stored.marks)
        for stream, start in zip(streams, starts, strict=True):
            for recorded in self.histories[stream][start:]:
                if isinstance(recorded.event, Event):
                    state = decider.evolve(state, recorded.event)
        return state

    def versions(self, written: Set[Stream]) -> tuple[dict[Stream, int], dict[Stream, int]]:
        """Return the expected versions of the streams to write, and the guards of the others.

        A stream that was not read is expected to be new. Raises `WrongProperty` for one of another
        property.
        """
        if taken := written & self.foreign:
            raise WrongProperty(min(taken))
        expected = dict.fromkeys(written, 0)
        guards: dict[Stream, int] = {}
        for stream, history in self.histories.items():
            version = history[-1].version if history else 0
            if stream in written:
                expected[stream] = version
            elif stream not in self.foreign:
                guards[stream] = version
        return expected, guards

    def newest_events(self) -> dict[Stream, UUID]:
        """Return the newest event of each stream that has events."""
        return {stream: history[-1].id for stream, history in self.histories.items() if history}

    def newest(self) -> RecordedEvent | None:
        """Return the event that was recorded last."""
        recorded_events = [event for history in self.histories.values() for event in history]
        return max(recorded_events, key=lambda recorded: recorded.recorded_at, default=None)

    def _is_own(self, recorded: RecordedEvent) -> bool:
        scope = self._scope
        return (recorded.org_id, recorded.property_id) == (scope.org_id, scope.event_property_id)


class DecidedEvents:
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

    def continue_state(self, key: StateKey, state: Any, count: int) -> Any:
        """Return the state after the decided events; the first `count` are in it already."""
        for number in self.numbers_of(key[1])[count:]:
            state = key[0](state, self.events[number][1])
        return state

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
