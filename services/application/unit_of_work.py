"""One transaction's decisions: what was read, what was decided on it, and how it is appended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import asyncpg
from uuid_utils.compat import uuid7

from events.claims import EMAIL, PHONE, identifies, value_of
from events.event import Event
from events.ids import message_event_id, message_in
from events.leads import LeadMerged, LeadUnmerged
from events.log import read
from events.log.append import Appended, append, lock_streams
from events.log.errors import IdReused
from events.record import Cause, NewEvent, RecordedEvent, Stream
from services.application.merge_redirect import addressed
from services.application.rows import as_recorded_event
from services.deciders.catalog import decider_of
from services.deciders.decider import Refused
from services.host_tenants import hosts_own, people_in, strangers


@dataclass(frozen=True, slots=True)
class Scope:
    """Where, when and why something is decided: the same for all commands of one transaction."""

    org_id: UUID
    property_id: UUID
    at: datetime
    cause: Cause


class UnitOfWork:
    """Commands decided one after the other in one transaction, each on what those before decided.

    Streams that were read must still be at their versions when all of it is appended: those
    written as expected versions, the others as guards.
    """

    def __init__(self, conn: asyncpg.Connection, scope: Scope, seed: UUID | None) -> None:
        self.conn, self.scope = conn, scope
        self._seed = seed
        self._histories: dict[Stream, list[RecordedEvent]] = {}
        self._decided: list[tuple[UUID, Event]] = []

    async def history(self, stream: Stream) -> list[RecordedEvent]:
        """What happened in a stream, and what has been decided for it so far."""
        await self._read([stream])
        decided = [as_recorded_event(self._new(key, event), event) for key, event in self._decided]
        mine = [
            recorded
            for recorded in decided
            if Stream(recorded.entity_type, recorded.entity_id) == stream
        ]
        return [*self._histories[stream], *mine]

    async def lock(self, *streams: Stream) -> None:
        """Queue with others that contend for these streams; call it before anything is read."""
        await lock_streams(self.conn, streams)

    async def merged_into(self, lead_id: UUID) -> tuple[UUID, ...]:
        """The lead this one was merged into, the one that was merged into, and so on."""
        above: list[UUID] = []
        into: UUID | None = lead_id
        while into is not None:
            stream, into = Stream("lead", into), None
            for recorded in await self.history(stream):
                if isinstance(recorded.event, LeadMerged):
                    into = recorded.event.winner_id
                elif isinstance(recorded.event, LeadUnmerged):
                    into = None
            above += [into] if into else []
        return tuple(above)

    async def known_as(self, lead_id: UUID) -> UUID:
        """The lead that this one is known by: itself, where it was not merged."""
        return (await self.merged_into(lead_id) or (lead_id,))[-1]

    async def state(self, command: object) -> Any:
        """What the command's decider would decide on."""
        return await self._state(await self._addressed(command))

    async def _addressed(self, command: object) -> Any:
        await self._read(decider_of(command).streams(command))
        return await addressed(self, command)

    async def _state(self, command: object) -> Any:
        decider = decider_of(command)
        streams = decider.streams(command)
        await self._read(streams)
        state = decider.initial
        for stream in dict.fromkeys(streams):
            for recorded in self._histories[stream]:
                if isinstance(recorded.event, Event):
                    state = decider.evolve(state, recorded.event)
        wanted = frozenset(streams)
        for _, event in self._decided:
            if Stream(event.stream, event.stream_id) in wanted:
                state = decider.evolve(state, event)
        return state

    async def do(self, command: object) -> list[Event]:
        """Decide a command; what it decides is appended at the end. Raises `Refused`."""
        command = await self._addressed(command)
        state = await self._state(command)
        events = decider_of(command).decide(command, state)
        for event in events:
            self._decided.append((self._event_id(event), event))
        return events

    async def owner_of_contact(self, email: str | None, phone: str | None) -> "Owners":
        """The leads of this property that an e-mail address and a phone number belong to."""
        wanted = {
            kind: value_of(text)
            for kind, text in ((EMAIL, email), (PHONE, phone))
            if text and identifies(kind, text)
        }
        if not wanted:
            return Owners()
        rows = await self.conn.fetch(
            "SELECT kind, owner FROM crm.claims JOIN unnest($2::text[], $3::text[]) "
            "AS wanted (kind, value) USING (kind, value) WHERE scope = $1",
            self.scope.property_id,
            list(wanted),
            list(wanted.values()),
        )
        found = {row["kind"]: await self.known_as(row["owner"]) for row in rows}
        return Owners(found.get(EMAIL), found.get(PHONE))

    def give_id(self, event: Event, event_id: UUID) -> None:
        """Append a decided event under an id of its own."""
        self._decided = [
            (event_id if known is event else held, known) for held, known in self._decided
        ]

    async def append(self) -> Appended:
        """Append everything decided, in the open transaction. Raises what `append` raises."""
        if not self._decided:
            return Appended((), ())
        await self._demand_people()
        await self._demand_own_messages()
        new = [self._new(key, event) for key, event in self._decided]
        written = {each.stream for each in new}
        versions = {
            stream: _version(recorded_events) for stream, recorded_events in self._histories.items()
        }
        return await append(
            self.conn,
            new,
            expected={stream: versions.get(stream, 0) for stream in written},
            guards={stream: held for stream, held in versions.items() if stream not in written},
        )

    @property
    def events(self) -> list[tuple[UUID, Event]]:
        """What was decided, with ids, in order."""
        return list(self._decided)

    @property
    def last_read(self) -> UUID | None:
        """The newest fact that was read: what a command that had nothing to do relied on."""
        recorded_events = [recorded for history in self._histories.values() for recorded in history]
        return (
            max(recorded_events, key=lambda recorded: recorded.recorded_at).id
            if recorded_events
            else None
        )

    async def _read(self, streams: Sequence[Stream]) -> None:
        missing = [stream for stream in dict.fromkeys(streams) if stream not in self._histories]
        if not missing:
            return
        for stream in missing:
            self._histories[stream] = []
        for recorded in await read.streams(self.conn, missing):
            if recorded.property_id != self.scope.property_id:
                raise Refused(
                    "wrong_property",
                    f"no {recorded.entity_type} {recorded.entity_id} in this property",
                    404,
                )
            self._histories[Stream(recorded.entity_type, recorded.entity_id)].append(recorded)

    async def _demand_people(self) -> None:
        """Rows refer to profiles: an id that is none would stop them."""
        people = {key for _, event in self._decided for key in people_in(event)}
        if unknown := await strangers(self.conn, self.scope.org_id, people):
            raise Refused(
                "unknown_profile", f"{min(unknown)} is no profile of this organisation", 400
            )

    async def _demand_own_messages(self) -> None:
        """A message's row must have its place free: a host may have filled it."""
        said = (message_in(event) for _, event in self._decided)
        for taken in await hosts_own(self.conn, (key for key in said if key is not None)):
            raise IdReused(message_event_id(taken))

    def _new(self, key: UUID, event: Event) -> NewEvent:
        scope = self.scope
        return NewEvent(key, event, scope.org_id, scope.property_id, scope.at, scope.cause)

    def _event_id(self, event: Event) -> UUID:
        if (message := message_in(event)) is not None:
            return message_event_id(message)
        if self._seed is None:
            return uuid7()
        return uuid5(self._seed, str(len(self._decided)))


@dataclass(frozen=True, slots=True)
class Owners:
    """Whose an e-mail address and a phone number are."""

    email: UUID | None = None
    phone: UUID | None = None


def _version(recorded_events: Sequence[RecordedEvent]) -> int:
    return recorded_events[-1].version if recorded_events else 0
