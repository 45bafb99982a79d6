"""Plain appends of one pool that come at the same time: joined, and each with its own outcome."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.activities import ActivityRecorded, ActivityType
from events.leads import LeadNoted
from events.log import joined_appends
from events.log.append import append
from events.log.connection import Connection
from events.log.joined_appends import MAX_STATEMENTS
from events.log.locks import lock_streams
from events.log.plain_append import append_plain
from events.record import NewEvent, Stream
from services.runtime.database import pooled
from services.runtime.settings import Settings
from tests.conftest import until
from tests.world import World, make_world

WAITING = 5
"""Appends that wait for those before them."""


@dataclass
class Appends:
    """Appends of one event each; all begin before the first is done."""

    world: World
    conns: Sequence[Connection]

    async def make(self, count: int = MAX_STATEMENTS + WAITING) -> list[NewEvent]:
        """Return an event of each of these new leads."""
        leads = [
            self.world.new(self.world.captured(uuid4(), email=f"{uuid4()}@example.com"))
            for _ in range(count)
        ]
        await self.world.append(*leads)
        return [self.note(lead.stream) for lead in leads]

    def note(self, lead: Stream, event_id: UUID | None = None) -> NewEvent:
        return self.world.new(LeadNoted(lead_id=lead.entity_id, note="quiet"), event_id=event_id)

    def start(
        self,
        events: Sequence[NewEvent],
        expected: dict[Stream, int] | None = None,
        guards: dict[UUID, Stream] | None = None,
    ) -> list[asyncio.Task[int | None]]:
        """Begin the appends. `guards`: event id → guarded stream, which must have version 1."""
        return [
            asyncio.create_task(append_plain(
                conn, [new], expected={new.stream: (expected or {}).get(new.stream, 1)},
                guards={guards[new.id]: 1} if guards and new.id in guards else {},
            ))
            for conn, new in zip(self.conns, events, strict=False)
        ]  # fmt: skip

    async def count_transactions(self, events: Sequence[NewEvent]) -> int:
        """Return the number of transactions that appended the events."""
        query = "SELECT count(DISTINCT xmin::text) FROM crm_events WHERE id = ANY($1::uuid[])"
        return int(await self.world.pool.fetchval(query, [new.id for new in events]))


@pytest.fixture
async def appends(pool: asyncpg.Pool, settings: Settings) -> AsyncIterator[Appends]:
    world = await make_world(pool)
    size = MAX_STATEMENTS + WAITING
    async with pooled(settings, "test joined", size=size) as own_pool, AsyncExitStack() as stack:
        conns = [await stack.enter_async_context(own_pool.acquire()) for _ in range(size)]
        yield Appends(world, conns)


async def test_appends_that_wait_are_joined_in_one_transaction(appends: Appends) -> None:
    events = await appends.make()
    generation = await appends.world.pool.fetchval("SELECT generation FROM crm.log")
    assert await asyncio.gather(*appends.start(events)) == [generation] * len(events)
    assert await appends.count_transactions(events) == MAX_STATEMENTS + 1


async def test_a_statement_joins_a_limited_number(
    appends: Appends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joined_appends, "MAX_JOINED", 3)
    events = await appends.make()
    assert None not in await asyncio.gather(*appends.start(events))
    assert await appends.count_transactions(events) == MAX_STATEMENTS + 2


async def test_a_conflict_concerns_only_its_own_append(appends: Appends) -> None:
    events = await appends.make()
    conflicting = events[-2]
    outcomes = await asyncio.gather(*appends.start(events, {conflicting.stream: 7}))
    assert [new for new, outcome in zip(events, outcomes, strict=True) if outcome is None] == [
        conflicting
    ]


async def test_an_event_id_that_two_appends_have_is_appended_once(appends: Appends) -> None:
    events = await appends.make()
    events[-1] = appends.note(events[-1].stream, events[-2].id)
    outcomes = await asyncio.gather(*appends.start(events))
    assert None not in outcomes[:-2]
    assert outcomes[-2:].count(None) == 1


async def test_an_event_id_that_a_running_transaction_inserts_is_not_appended(
    appends: Appends,
) -> None:
    event, other = await appends.make(2)
    same_id = appends.note(other.stream, event.id)
    async with appends.world.pool.acquire() as conn:
        async with conn.transaction():
            await append(conn, [event], expected={event.stream: 1})
            [appending] = appends.start([same_id])
            await until(lambda: appends.world.count("pg_locks WHERE NOT granted"))
        assert await appending is None


async def test_appends_that_each_guard_what_the_other_writes_cannot_both_succeed(
    appends: Appends,
) -> None:
    *events, first, second = await appends.make()
    guards = {first.id: second.stream, second.id: first.stream}
    outcomes = await asyncio.gather(*appends.start([*events, first, second], guards=guards))
    assert outcomes[-2:].count(None) == 1


async def test_two_appends_do_not_both_make_the_key_of_a_subject(appends: Appends) -> None:
    *events, _, _ = await appends.make()
    lead = Stream("lead", uuid4())
    note = appends.note(lead)
    activity = appends.world.new(ActivityRecorded(
        activity_id=uuid4(), lead_id=lead.entity_id, type=ActivityType.NOTE, description="calm",
    ))  # fmt: skip
    expected = {lead: 0, activity.stream: 0}
    outcomes = await asyncio.gather(*appends.start([*events, note, activity], expected))
    assert outcomes[-2:].count(None) == 1


async def test_a_blocked_append_does_not_hold_up_the_others(appends: Appends) -> None:
    events = await appends.make()
    async with appends.world.pool.acquire() as conn:
        async with conn.transaction():
            await lock_streams(conn, [events[-1].stream])
            *others, blocked = appends.start(events)
            assert None not in await asyncio.gather(*others)
            assert not blocked.done()
        assert await blocked is not None


async def test_a_cancelled_append_that_waits_is_not_appended(appends: Appends) -> None:
    events = await appends.make()
    tasks = appends.start(events)
    await asyncio.sleep(0)  # one turn of the event loop: all begin, and the later ones wait
    tasks[-1].cancel()
    assert None not in await asyncio.gather(*tasks[:-1])
    with pytest.raises(asyncio.CancelledError):
        await tasks[-1]
    assert await appends.count_transactions(events[-1:]) == 0


async def test_a_cancelled_append_keeps_its_connection_until_the_end_of_the_statement(
    appends: Appends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joined_appends, "LOCK_WAIT", "60s")
    events = await appends.make()
    async with appends.world.pool.acquire() as conn:
        async with conn.transaction():
            await lock_streams(conn, [events[-1].stream])
            tasks = appends.start(events)
            await asyncio.gather(*tasks[:MAX_STATEMENTS])
            cancelled, *others = tasks[MAX_STATEMENTS:]
            cancelled.cancel()
            await asyncio.sleep(0)  # one turn of the event loop: the cancellation arrives
            assert not cancelled.done()
        assert None not in await asyncio.gather(*others)
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert await appends.conns[MAX_STATEMENTS].fetchval("SELECT 1") == 1


async def test_a_lost_connection_fails_all_appends_of_its_statement(appends: Appends) -> None:
    events = await appends.make()
    tasks = appends.start(events)
    await asyncio.sleep(0)  # one turn of the event loop: all begin, and the later ones wait
    appends.conns[MAX_STATEMENTS].terminate()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert None not in outcomes[:MAX_STATEMENTS]
    assert all(isinstance(one, asyncpg.InterfaceError) for one in outcomes[MAX_STATEMENTS:])
