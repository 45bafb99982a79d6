"""The unit of work: a use case loads state and executes commands with it, in one transaction."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

from events.event import Event
from events.ids import profile_ids_in
from events.log.append import AppendResult, append
from events.log.errors import IdReused
from events.log.locks import lock_streams
from events.log.plain_append import append_plain
from events.record import RecordedEvent, Stream
from services.application.append_checks import (
    require_free_messages,
    require_own_event,
    require_profiles,
)
from services.application.merge_redirect import find_leads_above, redirect_command
from services.application.scope import Scope
from services.application.stream_cache import StateKey, StreamCache
from services.application.work_streams import DecidedEvents, StreamReads
from services.deciders.catalog import DECIDER_OF
from services.deciders.decider import Decider
from services.host import HostProperty, load_property

S = TypeVar("S")


class TransactionNeeded(Exception):
    """The commands need an open transaction: more than an append of plain events is to be done."""


class UnitOfWork:
    """The commands of one transaction; each one sees the events that the earlier ones decided.

    Every stream that was read must still have the same version at the append: a stream that is
    written has it as its expected version, any other stream as a guard. So a decision never rests
    on a state that another transaction has changed meanwhile. Streams that `cache` remembers are
    not read; only an append without a transaction may rest on them.
    """

    def __init__(
        self,
        conn: asyncpg.Connection,
        scope: Scope,
        seed: UUID | None,
        cache: StreamCache | None = None,
    ) -> None:
        self.conn, self.scope = conn, scope
        self._cache = cache
        self._reads = StreamReads(conn, scope, cache)
        self._decided = DecidedEvents(scope, seed)
        self._states: dict[StateKey, tuple[Any, int]] = {}
        """The states, each with the number of decided events in it."""
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
        self._reads.choose(streams)

    async def read_ahead(self, streams: Iterable[Stream]) -> None:
        """Read streams of which most are needed later, with one query instead of one each."""
        await self._reads.read(streams)

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
            await self._reads.read(streams)  # all of them with one query
            redirected = await redirect_command(self, command)
            if redirected is not command:
                command, streams = redirected, decider.streams(redirected)
        state = await self._fold(decider, streams)
        events = decider.decide(command, state)
        self._decided.add(events)
        return events

    async def history(self, stream: Stream) -> list[RecordedEvent]:
        """Return the events of a stream, including those that are decided and not yet appended."""
        await self._reads.read([stream])
        return [*self._decided.continued(stream, self._reads.histories[stream])]

    async def leads_above(self, lead_id: UUID) -> tuple[UUID, ...]:
        """Return the lead that this one was merged into, the lead above that one, and so on."""
        return await find_leads_above(self, lead_id)

    async def surviving_lead(self, lead_id: UUID) -> UUID:
        """Return the lead that this one was merged into at last; itself if it was not merged."""
        return (await self.leads_above(lead_id) or (lead_id,))[-1]

    def assign_event_id(self, event: Event, event_id: UUID) -> None:
        """Append a decided event with the given id."""
        self._decided.assign_event_id(event, event_id)

    async def append(self) -> AppendResult:
        """Append all decided events in the open transaction. Raises what `append` raises.

        Without a transaction, append them in one statement, or raise `TransactionNeeded`.
        """
        if not self._decided.events:
            return AppendResult((), ())
        decided = [event for _, event in self._decided.events]
        if profiles := {key for event in decided for key in profile_ids_in(event)}:
            await require_profiles(self.conn, self.scope.org_id, profiles)
        is_in_transaction = self.conn.is_in_transaction()
        if is_in_transaction:
            await require_free_messages(self.conn, decided)
        new = self._decided.new_events()
        expected, guards = self._reads.versions(self._decided.numbers.keys())
        if not is_in_transaction:
            self.generation = await append_plain(
                self.conn, new, expected=expected, guards=guards, newest=self._reads.newest_events()
            )
            if self.generation is None:
                raise TransactionNeeded
            return AppendResult(tuple(event.id for event in new), ())
        try:
            return await append(self.conn, new, expected=expected, guards=guards)
        except IdReused as error:
            await require_own_event(self.conn, error.event_id, self.scope.property_id)
            raise

    @property
    def remembered(self) -> set[Stream]:
        """Return the streams that were not read, because the cache remembers them."""
        return self._reads.remembered

    def recall(self, streams: Iterable[Stream]) -> bool:
        """Return whether the streams exist in this property, as far as the cache remembers them."""
        return self._reads.recall(streams)

    def remember(self) -> None:
        """Let the cache remember the streams that were read, as they are after the append."""
        if self._cache is None:
            return
        reads, decided = self._reads, self._decided
        own = reads.histories.keys() - reads.foreign
        histories = {stream: decided.continued(stream, reads.histories[stream]) for stream in own}
        states = {key: decided.continue_state(key, *s) for key, s in self._states.items()}
        self._cache.store(self.scope, histories, states)

    @property
    def events(self) -> list[tuple[UUID, Event]]:
        """Return the decided events with their ids, in order."""
        return list(self._decided.events)

    @property
    def last_read(self) -> UUID | None:
        """Return the id of the newest event that was read: the token of a command without events.

        A client that waits for it sees at least what the command saw.
        """
        newest = self._reads.newest()
        return newest.id if newest else None

    async def _fold(self, decider: Decider[Any, S], streams: Sequence[Stream]) -> S:
        """Return the state after the events of the streams, and of those that the state names."""
        await self._reads.read(streams)
        state = self._evolve(decider, streams)
        references = [stream for stream in decider.references(state) if stream not in streams]
        if not references:
            return state
        await self._reads.read(references)
        return self._evolve(decider, [*streams, *references])

    def _evolve(self, decider: Decider[Any, S], streams: Sequence[Stream]) -> S:
        """Return the state; a state of the same streams is continued, not folded again."""
        # Deciders of the same entity have the same `evolve`, and so the same state.
        key = (decider.evolve, tuple(dict.fromkeys(streams)))
        stored: tuple[S, int] = self._states.get(key) or (self._reads.fold(decider, key), 0)
        state: S = self._decided.continue_state(key, *stored)
        self._states[key] = (state, len(self._decided.numbers_of(key[1])))
        return state
