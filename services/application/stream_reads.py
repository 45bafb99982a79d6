"""The streams that a unit of work has read, and the states that are folded from their events."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from events.event import Event
from events.log import read
from events.log.connection import Connection
from events.log.errors import Conflict
from events.record import RecordedEvent, Stream
from services.application.scope import Scope
from services.deciders.decider import Decider

S = TypeVar("S")
Histories: TypeAlias = Mapping[Stream, Sequence[RecordedEvent]]


class StreamReads:
    """The streams of one unit of work; each is read once.

    A stream of another property seems to have no events, as an unknown one. It needs no guard: it
    never moves to this property. `assumed` are histories that were read before.
    """

    def __init__(self, conn: Connection, scope: Scope, assumed: Histories | None) -> None:
        self._conn, self._scope = conn, scope
        self.histories: dict[Stream, Sequence[RecordedEvent]] = dict(assumed or {})
        self.foreign: set[Stream] = set()
        self._chosen: set[Stream] = set()

    def choose(self, streams: Iterable[Stream]) -> None:
        """Expect that streams are free or of this property; a conflict if another takes them."""
        self._chosen.update(streams)

    async def read(self, streams: Iterable[Stream]) -> None:
        """Read the streams that were not read yet, with one query."""
        missing = [stream for stream in dict.fromkeys(streams) if stream not in self.histories]
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

    def fold(self, decider: Decider[Any, S], streams: Iterable[Stream]) -> S:
        """Return the state after the events of streams that were read."""
        state = decider.initial
        for stream in streams:
            for recorded in self.histories[stream]:
                if isinstance(recorded.event, Event):
                    state = decider.evolve(state, recorded.event)
        return state

    def versions(self) -> dict[Stream, int]:
        """Return the version of each stream; 0 for one without events."""
        return {
            stream: history[-1].version if history else 0
            for stream, history in self.histories.items()
        }

    def newest(self) -> RecordedEvent | None:
        """Return the event that was recorded last."""
        recorded_events = [event for history in self.histories.values() for event in history]
        return max(recorded_events, key=lambda recorded: recorded.recorded_at, default=None)

    def _is_own(self, recorded: RecordedEvent) -> bool:
        scope = self._scope
        return (recorded.org_id, recorded.property_id) == (scope.org_id, scope.event_property_id)
