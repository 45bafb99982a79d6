"""The streams that a unit of work has read, and the states that are folded from their events."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from events.event import Event
from events.log import read
from events.log.connection import Connection
from events.log.errors import Conflict
from events.record import RecordedEvent, Stream
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

    def versions(self) -> dict[Stream, int]:
        """Return the version of each stream; 0 for one without events."""
        return {
            stream: history[-1].version if history else 0
            for stream, history in self.histories.items()
        }

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
