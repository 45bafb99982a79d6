"""Races for the log: late commits, the same event from several writers, two decisions."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, time
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.leads import LeadNoted
from events.log import append as appending
from events.log import sequencer
from events.log.append import AppendResult, append
from events.log.append_state import AppendState, read_state
from events.log.connection import Connection
from events.log.errors import IdReused
from events.record import Cause, NewEvent, Stream
from services.application.scope import Scope
from services.application.unit_of_work import UnitOfWork
from services.deciders.decider import Refused
from services.deciders.leads import CaptureLead, Details
from services.deciders.local_time import When
from services.deciders.tour_bookings import ScheduleTour
from services.deciders.tour_outcomes import CancelTour, CompleteTour
from tests.commands import handle_command
from tests.world import World, make_world


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


async def numbered_after(conn: Connection, reached: int) -> list[UUID]:
    """Return what a reader gets that continues after the last position it read."""
    lease = await sequencer.acquire(conn, "one", 0)
    assert lease is not None
    rows = await sequencer.assign_positions(conn, lease, 100)
    return [row["id"] for row in rows if row["position"] > reached]


async def inserted_after(conn: Connection, reached: int) -> list[UUID]:
    """Return what a reader gets that continues after the last identity value it read."""
    rows = await conn.fetch("SELECT id FROM crm_events WHERE seq > $1 ORDER BY seq", reached)
    return [row["id"] for row in rows]


@pytest.mark.parametrize("protected", [True, False])
async def test_an_event_that_is_committed_late_is_not_skipped(
    world: World, pool: asyncpg.Pool, protected: bool
) -> None:
    read_next = numbered_after if protected else inserted_after
    last_read = "SELECT coalesce(max(position), 0) FROM crm_events"
    if not protected:
        last_read = "SELECT max(seq) FROM crm_events"
    late, early = (world.new(world.captured(email=None)) for _ in range(2))
    ids_read: list[UUID] = []
    async with pool.acquire() as slow, pool.acquire() as reader:
        transaction = slow.transaction()
        await transaction.start()
        await append(slow, [late], expected={})
        await world.append(early)
        ids_read += await read_next(reader, 0)
        reached = await reader.fetchval(last_read)
        await transaction.commit()
        ids_read += await read_next(reader, reached)
    assert early.id in ids_read
    assert (late.id in ids_read) is protected


async def _read_state_without_known_ids(*arguments: Any) -> AppendState:
    return (await read_state(*arguments))._replace(digests={})


@pytest.mark.parametrize("protected", [True, False])
async def test_the_same_event_appended_a_hundred_times_by_ten_writers_is_one(
    world: World, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    if not protected:
        monkeypatch.setattr(appending, "read_state", _read_state_without_known_ids)
    new = world.new(world.captured())

    async def produce() -> list[AppendResult | Exception]:
        answers: list[AppendResult | Exception] = []
        for _ in range(10):
            try:
                answers.append(await world.append(new))
            except asyncpg.PostgresError as error:
                answers.append(error)
        return answers

    by_writer = await asyncio.gather(*(produce() for _ in range(10)))
    answers = [answer for answers_of_writer in by_writer for answer in answers_of_writer]
    assert await world.count("crm_events WHERE actor = 'test'") == 1
    refused = [answer for answer in answers if isinstance(answer, Exception)]
    assert len(refused) == (0 if protected else 99)
    if protected:
        assert sum(bool(answer.new) for answer in answers if isinstance(answer, AppendResult)) == 1


@pytest.mark.parametrize("protected", [True, False])
async def test_of_ten_contents_with_one_id_one_is_appended_and_nine_are_refused(
    world: World, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    lead, event_id = uuid4(), uuid4()
    await world.append(world.new(world.captured(lead)))
    if not protected:
        monkeypatch.setattr("events.log.digests.codec.digest", lambda *_, **__: b"equal")
    notes = [LeadNoted(lead_id=lead, note=f"{n}") for n in range(10)]
    outcomes = await asyncio.gather(
        *(world.append(world.new(note, event_id=event_id)) for note in notes),
        return_exceptions=True,
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, IdReused)]
    assert len(refused) == (9 if protected else 0)
    assert await world.count("crm_events WHERE event_type = 'lead.noted'") == 1


def _versions_unchecked(
    events: Sequence[NewEvent], heads: Mapping[Stream, Any], *_: object
) -> dict[Stream, int]:
    return {e.stream: heads[e.stream].version if e.stream in heads else 0 for e in events}


async def _no_lock(*_: object, **__: object) -> bool:
    return True


def meet_before_appending(monkeypatch: pytest.MonkeyPatch, commands: int) -> None:
    """Let all commands decide before the first of them appends, so that the race takes place."""
    barrier, awaited = asyncio.Barrier(commands), [None] * commands
    original = UnitOfWork.append

    async def append_together(uow: UnitOfWork) -> AppendResult:
        if awaited:
            awaited.pop()
            await asyncio.wait_for(barrier.wait(), 20)
        return await original(uow)

    monkeypatch.setattr(UnitOfWork, "append", append_together)


@pytest.mark.parametrize("removed", ["nothing", "lock", "versions"])
async def test_only_one_of_two_contrary_commands_on_a_tour_succeeds(
    world: World, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, removed: str
) -> None:
    """Without the lock alone, the unique constraint of the stream stops the second command."""
    scope = Scope(world.org_id, world.properties[0], world.now, Cause("test"))
    when = When(date(2026, 4, 2), time(14), "America/New_York")
    lead, tour = uuid4(), uuid4()
    await handle_command(pool, scope, CaptureLead(lead, Details(email="ada@example.com")))
    await handle_command(pool, scope, ScheduleTour(tour, lead, at=world.now, when=when, source="x"))
    if removed == "lock":
        monkeypatch.setattr(appending, "lock_for_append", _no_lock)
    if removed == "versions":
        monkeypatch.setattr(appending, "check_versions", _versions_unchecked)
    meet_before_appending(monkeypatch, 2)
    outcomes = await asyncio.gather(
        handle_command(pool, scope, CompleteTour(tour, lead, at=when.instant)),
        handle_command(pool, scope, CancelTour(tour, lead)),
        return_exceptions=True,
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    ends = await world.count("crm_events WHERE event_type IN ('tour.completed', 'tour.cancelled')")
    assert (len(refused), ends) == ((0, 2) if removed == "versions" else (1, 1))
