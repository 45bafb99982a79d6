"""The unit of work: a use case loads state and executes commands with it, in one transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID, uuid5

import asyncpg
from uuid_utils.compat import uuid7

from events.event import Event
from events.ids import message_event_id, message_id_of
from events.log import read
from events.log.append import AppendResult, append
from events.log.errors import IdReused
from events.log.locks import lock_streams
from events.merges import LeadMerged, LeadUnmerged
from events.record import Cause, NewEvent, RecordedEvent, Stream
from services.application.merge_redirect import redirect_command
from services.deciders.catalog import DECIDER_OF
from services.deciders.decider import Decider, Refused
from services.host import find_host_messages, find_unknown_profiles, profile_ids_in

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Scope:
    """The organisation, property, time and cause of all commands of one transaction."""

    org_id: UUID
    property_id: UUID
    at: datetime
    cause: Cause


class UnitOfWork:
    """The commands of one transaction; each one sees the events that the earlier ones decided.

    Every stream that was read must still have the same version at the append: a stream that is
    written has it as its expected version, any other stream as a guard. So a decision never rests
    on a state that another transaction has changed meanwhile.
    """

    def __init__(self, conn: asyncpg.Connection, scope: Scope, seed: UUID | None) -> None:
        self.conn, self.scope = conn, scope
        self._seed = seed
        self._histories: dict[Stream, list[RecordedEvent]] = {}
        self._decided: list[tuple[UUID, Event]] = []

    async def lock(self, *streams: Stream) -> None:
        """Wait for the locks of streams with much contention. Call it before they are read."""
        await lock_streams(self.conn, streams)

    async def load(self, decider: Decider[Any, S], entity_id: UUID, *more: Stream) -> S:
        """Return the decider's state of an entity, and of the streams in `more`, as of now."""
        return await self._fold(decider, [Stream(decider.entity_type, entity_id), *more])

    async def execute(self, command: object) -> list[Event]:
        """Decide a command and return its events, which `append` will write. Raises `Refused`."""
        decider = DECIDER_OF[type(command)]
        if hasattr(command, "lead_id"):
            await self._read(decider.streams(command))  # all of them with one query
            command = await redirect_command(self, command)
        state = await self._fold(decider, decider.streams(command))
        events = decider.decide(command, state)
        for event in events:
            self._decided.append((self._event_id(event), event))
        return events

    async def history(self, stream: Stream) -> list[RecordedEvent]:
        """Return the events of a stream, including those that are decided and not yet appended."""
        await self._read([stream])
        decided = [
            self._as_recorded(event_id, event)
            for event_id, event in self._decided
            if Stream(event.stream, event.stream_id) == stream
        ]
        return [*self._histories[stream], *decided]

    async def leads_above(self, lead_id: UUID) -> tuple[UUID, ...]:
        """Return the lead that this one was merged into, the lead above that one, and so on."""
        above: list[UUID] = []
        winner: UUID | None = lead_id
        while winner is not None:
            stream, winner = Stream("lead", winner), None
            for recorded in await self.history(stream):
                if isinstance(recorded.event, LeadMerged):
                    winner = recorded.event.winner_id
                elif isinstance(recorded.event, LeadUnmerged):
                    winner = None
            above += [winner] if winner else []
        return tuple(above)

    async def surviving_lead(self, lead_id: UUID) -> UUID:
        """Return the lead that this one was merged into at last; itself if it was not merged."""
        return (await self.leads_above(lead_id) or (lead_id,))[-1]

    def assign_event_id(self, event: Event, event_id: UUID) -> None:
        """Append a decided event with the given id."""
        self._decided = [
            (event_id if other is event else other_id, other) for other_id, other in self._decided
        ]

    async def append(self) -> AppendResult:
        """Append all decided events in the open transaction. Raises what `append` raises."""
        if not self._decided:
            return AppendResult((), ())
        await self._require_profiles()
        await self._require_free_messages()
        new = [self._new_event(event_id, event) for event_id, event in self._decided]
        written = {event.stream for event in new}
        versions = {stream: _version(history) for stream, history in self._histories.items()}
        return await append(
            self.conn,
            new,
            # A stream that was not read is expected to be new.
            expected={stream: versions.get(stream, 0) for stream in written},
            guards={
                stream: version for stream, version in versions.items() if stream not in written
            },
        )

    @property
    def events(self) -> list[tuple[UUID, Event]]:
        """Return the decided events with their ids, in order."""
        return list(self._decided)

    @property
    def last_read(self) -> UUID | None:
        """Return the id of the newest event that was read: the token of a command without events.

        A client that waits for it sees at least what the command saw.
        """
        recorded_events = [event for history in self._histories.values() for event in history]
        newest = max(recorded_events, key=lambda recorded: recorded.recorded_at, default=None)
        return newest.id if newest else None

    async def _fold(self, decider: Decider[Any, S], streams: Sequence[Stream]) -> S:
        await self._read(streams)
        state = decider.initial
        for stream in dict.fromkeys(streams):
            for recorded in self._histories[stream]:
                if isinstance(recorded.event, Event):
                    state = decider.evolve(state, recorded.event)
        for _, event in self._decided:
            if Stream(event.stream, event.stream_id) in streams:
                state = decider.evolve(state, event)
        return state

    async def _read(self, streams: Iterable[Stream]) -> None:
        """Read the streams that were not read yet.

        Raises `Refused` for a stream of another property: to this one it must seem not to exist.
        """
        missing = [stream for stream in dict.fromkeys(streams) if stream not in self._histories]
        if not missing:
            return
        for stream in missing:
            # An empty history is stored too: that the stream does not exist is guarded as well.
            self._histories[stream] = []
        for recorded in await read.streams(self.conn, missing):
            entity_type, entity_id = recorded.entity_type, recorded.entity_id
            if recorded.property_id != self.scope.property_id:
                raise Refused(
                    "wrong_property", f"no {entity_type} {entity_id} in this property", 404
                )
            self._histories[Stream(entity_type, entity_id)].append(recorded)

    async def _require_profiles(self) -> None:
        """Refuse unknown profile ids: the foreign key would park the event later."""
        profiles = {key for _, event in self._decided for key in profile_ids_in(event)}
        if unknown := await find_unknown_profiles(self.conn, self.scope.org_id, profiles):
            raise Refused(
                "unknown_profile", f"{min(unknown)} is not a profile of this organisation", 400
            )

    async def _require_free_messages(self) -> None:
        """Refuse the id of a message that the host stored itself: the rows would collide."""
        ids = [key for _, event in self._decided if (key := message_id_of(event)) is not None]
        for message_id in await find_host_messages(self.conn, ids):
            raise IdReused(message_event_id(message_id))

    def _new_event(self, event_id: UUID, event: Event) -> NewEvent:
        scope = self.scope
        return NewEvent(event_id, event, scope.org_id, scope.property_id, scope.at, scope.cause)

    def _as_recorded(self, event_id: UUID, event: Event) -> RecordedEvent:
        """Return a decided event as it will be recorded, with versions and positions of 0."""
        scope, cause = self.scope, self.scope.cause
        return RecordedEvent(
            event_id, event, event.stream, event.stream_id, 0, 0, 0, 0, scope.org_id,
            scope.property_id, event.lead, scope.at, scope.at, cause.actor, cause.origin.value,
            cause.correlation_id, cause.causation_id,
        )  # fmt: skip

    def _event_id(self, event: Event) -> UUID:
        """Return the id of the next decided event: the same again if the command is repeated."""
        if (message_id := message_id_of(event)) is not None:
            return message_event_id(message_id)
        if self._seed is None:
            return uuid7()
        return uuid5(self._seed, str(len(self._decided)))


def _version(history: Sequence[RecordedEvent]) -> int:
    return history[-1].version if history else 0
