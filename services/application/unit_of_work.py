"""The unit of work: a use case loads state and executes commands with it, in one transaction."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, TypeAlias, TypeVar
from uuid import UUID, uuid5

import asyncpg
from uuid_utils.compat import uuid7

from events.event import Event
from events.ids import message_event_id, message_id_of
from events.log import read
from events.log.append import AppendResult, append
from events.log.errors import Conflict, IdReused, WrongProperty
from events.log.locks import lock_streams
from events.log.plain_append import append_plain
from events.merges import LeadMerged, LeadUnmerged
from events.record import Cause, NewEvent, RecordedEvent, Stream, UnreadableEvent
from services.application.merge_redirect import redirect_command
from services.deciders.catalog import DECIDER_OF
from services.deciders.decider import Decider, Refused
from services.host import (
    HostProperty,
    find_host_messages,
    find_unknown_profiles,
    load_property,
    profile_ids_in,
)

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Scope:
    """The organisation, property, time and cause of all commands of one transaction.

    A scope `of_organization` has no property: its events belong to the organisation, and
    `property_id`, the ordering key, is the organisation's id.
    """

    org_id: UUID
    property_id: UUID
    at: datetime
    cause: Cause
    is_of_organization: bool = False

    @classmethod
    def of_organization(cls, org_id: UUID, at: datetime, cause: Cause) -> Self:
        """Return the scope of commands that concern the whole organisation."""
        return cls(org_id, org_id, at, cause, is_of_organization=True)

    @property
    def event_property_id(self) -> UUID | None:
        """Return the property of the scope's events; None for those of the organisation."""
        return None if self.is_of_organization else self.property_id


Histories: TypeAlias = Mapping[Stream, list[RecordedEvent]]


class TransactionNeeded(Exception):
    """The commands need an open transaction: more than an append of plain events is to be done."""


class UnitOfWork:
    """The commands of one transaction; each one sees the events that the earlier ones decided.

    Every stream that was read must still have the same version at the append: a stream that is
    written has it as its expected version, any other stream as a guard. So a decision never rests
    on a state that another transaction has changed meanwhile. `assumed` are histories that were
    read before, which the append checks in the same way.
    """

    def __init__(
        self,
        conn: asyncpg.Connection,
        scope: Scope,
        seed: UUID | None,
        assumed: Histories | None = None,
    ) -> None:
        self.conn, self.scope = conn, scope
        self._seed = seed
        self._histories: dict[Stream, list[RecordedEvent]] = dict(assumed or {})
        self._foreign: set[Stream] = set()
        self._chosen: set[Stream] = set()
        self._decided: list[tuple[UUID, Event]] = []
        self._numbers: dict[Stream, list[int]] = {}
        """Stream → the indexes of its events in `_decided`."""
        self._states: dict[tuple[Any, tuple[Stream, ...]], tuple[Any, int]] = {}
        """Function `evolve`, streams → the state, and the number of decided events in it."""
        self._property: HostProperty | None = None
        self.generation: int | None = None
        """The log generation, if the append has returned it."""

    def require_transaction(self) -> None:
        """Raise `TransactionNeeded` if no transaction is open. Call it before a write."""
        if not self.conn.is_in_transaction():
            raise TransactionNeeded

    async def lock(self, *streams: Stream) -> None:
        """Wait for the locks of streams with much contention. Call it before they are read."""
        self.require_transaction()
        await lock_streams(self.conn, streams)

    def choose(self, streams: Iterable[Stream]) -> None:
        """Expect that streams are free or of this property; a conflict if another takes them."""
        self._chosen.update(streams)

    async def read_ahead(self, streams: Iterable[Stream]) -> None:
        """Read streams of which most are needed later, with one query instead of one each."""
        await self._read(streams)

    async def load_property(self) -> HostProperty:
        """Return the property of the scope. Raises `Refused` if the host has no such property."""
        if self._property is None:
            self._property = await load_property(self.conn, self.scope.property_id)
        return self._property

    async def load(self, decider: Decider[Any, S], entity_id: UUID, *more: Stream) -> S:
        """Return the decider's state of an entity, and of the streams in `more`, as of now."""
        return await self._fold(decider, [Stream(decider.entity_type, entity_id), *more])

    async def execute(self, command: object) -> list[Event]:
        """Decide a command and return its events, which `append` will write. Raises `Refused`."""
        decider = DECIDER_OF[type(command)]
        streams = decider.streams(command)
        if hasattr(command, "lead_id"):
            await self._read(streams)  # all of them with one query
            redirected = await redirect_command(self, command)
            if redirected is not command:
                command, streams = redirected, decider.streams(redirected)
        state = await self._fold(decider, streams)
        events = decider.decide(command, state)
        for event in events:
            stream = Stream(event.stream, event.stream_id)
            self._numbers.setdefault(stream, []).append(len(self._decided))
            self._decided.append((self._event_id(event), event))
        return events

    async def history(self, stream: Stream) -> list[RecordedEvent]:
        """Return the events of a stream, including those that are decided and not yet appended."""
        await self._read([stream])
        decided = [self._as_recorded(*self._decided[n]) for n in self._numbers.get(stream, ())]
        return [*self._histories[stream], *decided]

    async def leads_above(self, lead_id: UUID) -> tuple[UUID, ...]:
        """Return the lead that this one was merged into, the lead above that one, and so on."""
        above: list[UUID] = []
        winner: UUID | None = lead_id
        while winner is not None:
            stream, winner = Stream("lead", winner), None
            await self._read([stream])
            for event in self._events_of(stream):
                if isinstance(event, LeadMerged):
                    winner = event.winner_id
                elif isinstance(event, LeadUnmerged):
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
        """Append all decided events in the open transaction. Raises what `append` raises.

        Without a transaction, append them in one statement, or raise `TransactionNeeded`.
        """
        if not self._decided:
            return AppendResult((), ())
        await self._require_profiles()
        is_in_transaction = self.conn.is_in_transaction()
        if is_in_transaction:
            await self._require_free_messages()
        new = [self._new_event(event_id, event) for event_id, event in self._decided]
        written = self._numbers.keys()
        if taken := written & self._foreign:
            raise WrongProperty(min(taken))
        versions = {stream: _version(history) for stream, history in self._histories.items()}
        # A stream that was not read is expected to be new.
        expected = {stream: versions.get(stream, 0) for stream in written}
        guards = {
            stream: version
            for stream, version in versions.items()
            if stream not in written and stream not in self._foreign
        }
        if not is_in_transaction:
            return await self._append_plain(new, expected, guards)
        try:
            return await append(self.conn, new, expected=expected, guards=guards)
        except IdReused as error:
            if await self._is_event_of_another_property(error.event_id):
                # Another property took the id of a message after it was chosen: choose again.
                raise Conflict(Stream("event", error.event_id), 0, 1) from error
            raise

    def histories(self) -> Histories:
        """Return the streams that were read, with the events that were appended to them."""
        histories = dict(self._histories)
        for stream, numbers in self._numbers.items():
            history = histories.get(stream, [])
            first = _version(history) + 1
            histories[stream] = [*history, *(
                self._as_recorded(*self._decided[number], version)
                for version, number in enumerate(numbers, start=first)
            )]  # fmt: skip
        return histories

    async def _append_plain(
        self, new: Sequence[NewEvent], expected: Mapping[Stream, int], guards: Mapping[Stream, int]
    ) -> AppendResult:
        generation = await append_plain(self.conn, new, expected=expected, guards=guards)
        if generation is None:
            raise TransactionNeeded
        self.generation = generation
        return AppendResult(tuple(event.id for event in new), ())

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
        """Return the state after the events of the streams, and of those that the state names."""
        await self._read(streams)
        state = self._evolve(decider, streams)
        references = [stream for stream in decider.references(state) if stream not in streams]
        if not references:
            return state
        await self._read(references)
        return self._evolve(decider, [*streams, *references])

    def _evolve(self, decider: Decider[Any, S], streams: Sequence[Stream]) -> S:
        """Return the state; a state of the same streams is continued, not folded again."""
        # Deciders of the same entity have the same `evolve`, and so the same state.
        key = (decider.evolve, tuple(dict.fromkeys(streams)))
        stored: tuple[S, int] | None = self._states.get(key)
        state, count = stored or (self._fold_histories(decider, key[1]), 0)
        numbers = [n for stream in key[1] for n in self._numbers.get(stream, ())]
        if stored and count == len(numbers):
            return state
        for number in sorted(numbers)[count:]:  # later events have higher numbers
            state = decider.evolve(state, self._decided[number][1])
        self._states[key] = (state, len(numbers))
        return state

    def _fold_histories(self, decider: Decider[Any, S], streams: Iterable[Stream]) -> S:
        state = decider.initial
        for stream in streams:
            for recorded in self._histories[stream]:
                if isinstance(recorded.event, Event):
                    state = decider.evolve(state, recorded.event)
        return state

    def _events_of(self, stream: Stream) -> Iterator[Event | UnreadableEvent]:
        """Yield the events of a stream that was read, including those that are decided."""
        yield from (recorded.event for recorded in self._histories[stream])
        yield from (self._decided[n][1] for n in self._numbers.get(stream, ()))

    async def _read(self, streams: Iterable[Stream]) -> None:
        """Read the streams that were not read yet.

        A stream of another property seems to have no events, as an unknown one. It needs no guard:
        it never moves to this property.
        """
        missing = [stream for stream in dict.fromkeys(streams) if stream not in self._histories]
        if not missing:
            return
        for stream in missing:
            # An empty history is stored too: that the stream does not exist is guarded as well.
            self._histories[stream] = []
        for recorded in await read.streams(self.conn, missing):
            stream = Stream(recorded.entity_type, recorded.entity_id)
            if self._is_own(recorded):
                self._histories[stream].append(recorded)
            elif stream in self._chosen:
                raise Conflict(stream, 0, recorded.version)
            else:
                self._foreign.add(stream)

    def _is_own(self, recorded: RecordedEvent) -> bool:
        scope = self.scope
        return (recorded.org_id, recorded.property_id) == (scope.org_id, scope.event_property_id)

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

    async def _is_event_of_another_property(self, event_id: UUID) -> bool:
        property_id: UUID | None = await self.conn.fetchval(
            "SELECT property_id FROM public.crm_events WHERE id = $1", event_id
        )
        return property_id is not None and property_id != self.scope.property_id

    def _new_event(self, event_id: UUID, event: Event) -> NewEvent:
        scope = self.scope
        property_id = scope.event_property_id
        return NewEvent(event_id, event, scope.org_id, property_id, scope.at, scope.cause)

    def _as_recorded(self, event_id: UUID, event: Event, version: int = 0) -> RecordedEvent:
        """Return a decided event as it will be recorded, with positions of 0."""
        scope, cause = self.scope, self.scope.cause
        return RecordedEvent(
            event_id, event, event.stream, event.stream_id, version, 0, 0, 0, scope.org_id,
            scope.event_property_id, event.lead, scope.at, scope.at, cause.actor,
            cause.origin.value, cause.correlation_id, cause.causation_id,
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
