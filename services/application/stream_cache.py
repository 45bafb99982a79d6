"""Streams that commands read or wrote a short time ago, for the next commands of the process."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self, TypeAlias
from uuid import UUID

from events.keys.ring import LIFESPAN_SECONDS
from events.record import RecordedEvent, Stream
from services.application.scope import Scope

MAX_EVENTS = 10_000
"""Events of all remembered streams; above it, the streams that were stored first are forgotten."""
MAX_STREAM_EVENTS = 500
"""A longer stream is not remembered."""

StateKey: TypeAlias = tuple[Any, tuple[Stream, ...]]
"""Function `evolve` of a decider, and the streams whose events it folds."""
_Key: TypeAlias = tuple[UUID, UUID | None, Stream]


class Mark(NamedTuple):
    """The end of a history: its length, and its newest event."""

    length: int
    newest: UUID | None

    @classmethod
    def of(cls, history: Sequence[RecordedEvent]) -> Self:
        """Return the end of this history."""
        return cls(len(history), history[-1].id if history else None)

    def is_in(self, history: Sequence[RecordedEvent]) -> bool:
        """Return whether the history had this end before its later events."""
        if not self.length:
            return True
        return self.length <= len(history) and history[self.length - 1].id == self.newest


class StoredState(NamedTuple):
    """The state of some streams, and the end that the history of each had."""

    state: Any
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class _Remembered:
    events: Sequence[RecordedEvent]
    until: float
    states: dict[StateKey, StoredState] = field(default_factory=dict)
    """States of this stream and others."""


class StreamCache:
    """Streams of properties with their events and folded states.

    Another process may have continued a stream meanwhile. So an append names the newest event of
    each stream that was remembered, and writes nothing if it is another one. What appends nothing
    must not rest on remembered streams.

    A stream is forgotten 60 s after it was read, as a data key is: so long can a process have the
    values of a data subject after an erasure by another process.
    """

    def __init__(self, lifespan_seconds: float = LIFESPAN_SECONDS) -> None:
        self.lifespan_seconds = lifespan_seconds
        self._entries: dict[_Key, _Remembered] = {}
        self._size = 0

    def find(self, scope: Scope, stream: Stream) -> Sequence[RecordedEvent]:
        """Return the events of a stream of the scope; none if it is not remembered."""
        entry = self._find(_key(scope, stream))
        return () if entry is None else entry.events

    def find_state(self, scope: Scope, key: StateKey) -> StoredState | None:
        """Return a state of the streams, which may have had fewer events then."""
        entry = self._find(_key(scope, key[1][0]))
        return None if entry is None else entry.states.get(key)

    def store(
        self,
        scope: Scope,
        histories: Mapping[Stream, Sequence[RecordedEvent]],
        states: Mapping[StateKey, Any],
    ) -> None:
        """Remember streams as they are after an append, and states of them."""
        now = time.monotonic()
        for stream, events in histories.items():
            self._store(_key(scope, stream), events, now)
        for key, state in states.items():
            entry = self._find(_key(scope, key[1][0]))
            if entry is not None and all(stream in histories for stream in key[1]):
                marks = tuple(Mark.of(histories[stream]) for stream in key[1])
                entry.states[key] = StoredState(state, marks)
        while self._entries and (self._size > MAX_EVENTS or self._first().until <= now):
            self._remove(next(iter(self._entries)))

    def forget(self, scope: Scope, streams: Iterable[Stream]) -> None:
        """Forget streams that another process has continued."""
        for stream in streams:
            self._remove(_key(scope, stream))

    def _store(self, key: _Key, events: Sequence[RecordedEvent], now: float) -> None:
        before = self._find(key)
        if before is not None and (not events or events[-1].version < before.events[-1].version):
            return  # a later command was faster
        self._remove(key)
        if not 0 < len(events) <= MAX_STREAM_EVENTS:
            return
        if before is None:
            self._entries[key] = _Remembered(events, now + self.lifespan_seconds)
        else:  # its values were read when it was remembered first
            self._entries[key] = replace(before, events=events)
        self._size += len(events)

    def _find(self, key: _Key) -> _Remembered | None:
        entry = self._entries.get(key)
        return None if entry is None or entry.until <= time.monotonic() else entry

    def _first(self) -> _Remembered:
        return next(iter(self._entries.values()))

    def _remove(self, key: _Key) -> None:
        if (entry := self._entries.pop(key, None)) is not None:
            self._size -= len(entry.events)


def _key(scope: Scope, stream: Stream) -> _Key:
    return scope.org_id, scope.event_property_id, stream
