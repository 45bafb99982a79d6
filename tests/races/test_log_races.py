"""Races for the log: late committers, the same event from many, two decisions on one tour."""

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
from events.log.append import Appended, append
from events.log.connection import Connection
from events.log.errors import IdReused
from events.record import Cause, NewEvent, Stream
from services.application.command_handler import handle
from services.application.unit_of_work import Scope, UnitOfWork
from services.deciders.decider import Refused
from services.deciders.leads import CaptureLead, Details
from services.deciders.local_time import When
from services.deciders.tour_bookings import ScheduleTour
from services.deciders.tour_outcomes import CancelTour, CompleteTour
from tests.world import World, make_world


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


async def numbered_after(conn: Connection, reached: int) -> list[UUID]:
    """What a reader gets that reads on from the last position it has seen."""
    lease = await sequencer.acquire(conn, "one", 0)
    assert lease is not None
    rows = await sequencer.number(conn, lease, 100)
    return [row["id"] for row in rows if row["position"] > reached]


async def inserted_after(conn: Connection, reached: int) -> list[UUID]:
    """The usual way: whatever has a higher identity than the last one seen."""
    rows = await conn.fetch("SELECT id FROM crm_events WHERE seq > $1 ORDER BY seq", reached)
    return [row["id"] for row in rows]


@pytest.mark.parametrize("protected", [True, False])
async def test_who_commits_late_is_not_skipped(
    world: World, pool: asyncpg.Pool, protected: bool
) -> None:
    read_on = numbered_after if protected else inserted_after
    seen = "SELECT coalesce(max(position), 0) FROM crm_events"
    if not protected:
        seen = "SELECT max(seq) FROM crm_events"
    late, early = (world.new(world.captured(email=None)) for _ in range(2))
    found: list[UUID] = []
    async with pool.acquire() as slow, pool.acquire() as reader:
        transaction = slow.transaction()
        await transaction.start()
        await append(slow, [late], expected={})
        await world.append(early)
        found += await read_on(reader, 0)
        reached = await reader.fetchval(seen)
        await transaction.commit()
        found += await read_on(reader, reached)
    assert early.id in found
    assert (late.id in found) is protected


_found = appending._found


async def _forgetful(
    conn: Connection, digests: Mapping[UUID, bytes], streams: Sequence[Stream]
) -> tuple[set[UUID], set[UUID], dict[Stream, Any]]:
    _known, reused, heads = await _found(conn, digests, streams)
    return set(), reused, heads


@pytest.mark.parametrize("protected", [True, False])
async def test_the_same_event_a_hundred_times_from_ten_producers_is_one(
    world: World, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    if not protected:
        monkeypatch.setattr(appending, "_found", _forgetful)
    new = world.new(world.captured())

    async def produce() -> list[Appended | Exception]:
        answers: list[Appended | Exception] = []
        for _ in range(10):
            try:
                answers.append(await world.append(new))
            except asyncpg.PostgresError as error:
                answers.append(error)
        return answers

    answers = [one for ten in await asyncio.gather(*(produce() for _ in range(10))) for one in ten]
    assert await world.count("crm_events WHERE actor = 'test'") == 1
    refused = [answer for answer in answers if isinstance(answer, Exception)]
    assert len(refused) == (0 if protected else 99)
    if protected:
        assert sum(bool(one.new) for one in answers if isinstance(one, Appended)) == 1


@pytest.mark.parametrize("protected", [True, False])
async def test_of_ten_contents_under_one_id_one_stands_and_nine_are_told(
    world: World, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    lead, event_id = uuid4(), uuid4()
    await world.append(world.new(world.captured(lead)))
    if not protected:
        monkeypatch.setattr("events.log.append.codec.digest", lambda _event: b"the same")
    notes = [LeadNoted(lead_id=lead, note=f"{n}") for n in range(10)]
    outcomes = await asyncio.gather(
        *(world.append(world.new(note, event_id=event_id)) for note in notes),
        return_exceptions=True,
    )
    told = [one for one in outcomes if isinstance(one, IdReused)]
    assert len(told) == (9 if protected else 0)
    assert await world.count("crm_events WHERE event_type = 'lead.noted'") == 1


def _versions_unchecked(
    events: Sequence[NewEvent], heads: Mapping[Stream, Any], *_: object
) -> dict[Stream, int]:
    return {e.stream: heads[e.stream].version if e.stream in heads else 0 for e in events}


async def _no_lock(*_: object) -> None: ...


def meet_before_appending(monkeypatch: pytest.MonkeyPatch, commands: int) -> None:
    """So many commands have all decided before the first of them appends: the race takes place."""
    meeting, to_come = asyncio.Barrier(commands), [None] * commands
    plain = UnitOfWork.append

    async def meet(uow: UnitOfWork) -> Appended:
        if to_come:
            to_come.pop()
            await asyncio.wait_for(meeting.wait(), 20)
        return await plain(uow)

    monkeypatch.setattr(UnitOfWork, "append", meet)


@pytest.mark.parametrize("out", ["nothing", "lock", "versions"])
async def test_two_commands_on_one_tour_cannot_both_be_right(
    world: World, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    """Where only the lock is out, the streams' constraint still stops the second."""
    scope = Scope(world.org_id, world.properties[0], world.now, Cause("test"))
    when = When(date(2026, 4, 2), time(14), "America/New_York")
    lead, tour = uuid4(), uuid4()
    await handle(pool, scope, CaptureLead(lead, Details(email="ada@example.com")))
    await handle(pool, scope, ScheduleTour(tour, lead, at=world.now, when=when, source="x"))
    if out == "lock":
        monkeypatch.setattr(appending, "_lock", _no_lock)
    if out == "versions":
        monkeypatch.setattr(appending, "_versions", _versions_unchecked)
    meet_before_appending(monkeypatch, 2)
    outcomes = await asyncio.gather(
        handle(pool, scope, CompleteTour(tour, lead)),
        handle(pool, scope, CancelTour(tour, lead)),
        return_exceptions=True,
    )
    refused = [one for one in outcomes if isinstance(one, Refused)]
    ends = await world.count("crm_events WHERE event_type IN ('tour.completed', 'tour.cancelled')")
    assert (len(refused), ends) == ((0, 2) if out == "versions" else (1, 1))
