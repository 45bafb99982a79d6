"""Appending: several streams, expected versions, guards and dedupe in one transaction."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.event import Event
from events.leads import LeadNoted, LeadUpdated
from events.log import append as appending
from events.log import read
from events.log.append import append
from events.log.errors import Conflict, IdReused, WrongProperty
from events.record import Stream
from tests.conftest import until
from tests.world import World, make_world


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool, properties=2)


def noted(lead_id: UUID, note: str = "n") -> LeadNoted:
    return LeadNoted(lead_id=lead_id, note=note)


async def versions(world: World, lead_id: UUID) -> list[int]:
    async with world.pool.acquire() as conn:
        history = await read.streams(conn, [Stream("lead", lead_id)])
    return [recorded.version for recorded in history]


async def test_without_the_callers_transaction_nothing_is_appended(world: World) -> None:
    async with world.pool.acquire() as conn:
        with pytest.raises(RuntimeError, match="transaction"):
            await append(conn, [world.new(world.captured())], expected={})


async def test_several_streams_are_one_commit_or_nothing(world: World) -> None:
    one, other = uuid4(), uuid4()
    await world.append(world.new(world.captured(one)))
    with pytest.raises(Conflict):
        await world.append(
            world.new(world.captured(other, email="o@example.com")),
            world.new(noted(one)),
            expected={Stream("lead", other): 0, Stream("lead", one): 7},
        )
    assert await versions(world, one) == [1]
    assert await versions(world, other) == []


async def test_an_observation_goes_to_the_next_version_however_many_write(world: World) -> None:
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    await asyncio.gather(*(world.append(world.new(noted(lead, str(n)))) for n in range(20)))
    assert await versions(world, lead) == list(range(1, 22))


async def test_of_many_that_expect_the_same_version_one_wins_and_the_others_are_told(
    world: World,
) -> None:
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    tries = [
        world.append(world.new(noted(lead, str(n))), expected={Stream("lead", lead): 1})
        for n in range(10)
    ]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 1
    lost = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    assert len(lost) == 9
    assert all((one.expected, one.found) == (1, 2) for one in lost)


@pytest.mark.parametrize("protected", [True, False])
async def test_a_guarded_stream_still_stands_where_it_was_read(
    world: World, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    """A writer relies on a stream that another is changing and has not committed."""
    if not protected:
        monkeypatch.setattr(appending, "_lock", _no_lock)
    consent, relying = uuid4(), uuid4()
    await world.append(world.new(world.captured(consent)))
    async with world.pool.acquire() as conn:
        changing = conn.transaction()
        await changing.start()
        await append(conn, [world.new(noted(consent, "stop"))], expected={})
        late = asyncio.create_task(_relying_on(world, relying, Stream("lead", consent)))
        if protected:
            await until(lambda: _somebody_waits(world.pool))
        else:
            await asyncio.wait_for(late, 10)
        await changing.commit()
    if protected:
        with pytest.raises(Conflict):
            await late
    assert await versions(world, relying) == ([] if protected else [1])


async def _relying_on(world: World, lead: UUID, stream: Stream) -> None:
    async with world.pool.acquire() as conn, conn.transaction():
        new = world.new(world.captured(lead, email="r@example.com"))
        await append(conn, [new], expected={}, guards={stream: 1})


async def _no_lock(*_: object) -> None: ...


async def _somebody_waits(pool: asyncpg.Pool) -> bool:
    async with pool.acquire() as conn:
        return bool(await conn.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))


async def test_a_stream_never_changes_its_property(world: World) -> None:
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    with pytest.raises(WrongProperty):
        await world.append(world.new(noted(lead), property_id=world.properties[1]))


async def test_the_same_event_twice_is_one_event_for_ever(world: World) -> None:
    new = world.new(world.captured())
    first = await world.append(new)
    again = await world.append(new)
    assert (first.new, first.known) == ((new.id,), ())
    assert (again.new, again.known) == ((), (new.id,))
    assert await world.count("crm_events WHERE event_type = 'lead.captured'") == 1


async def test_the_same_event_twice_in_one_append_is_one_event(world: World) -> None:
    new = world.new(world.captured())
    assert (await world.append(new, new)).new == (new.id,)


async def test_an_id_with_another_content_is_refused(world: World) -> None:
    lead, event_id = uuid4(), uuid4()
    await world.append(world.new(world.captured(lead)), world.new(noted(lead), event_id=event_id))
    with pytest.raises(IdReused):
        await world.append(world.new(noted(lead, "other"), event_id=event_id))
    fresh = uuid4()
    with pytest.raises(IdReused):
        await world.append(
            world.new(noted(lead, "a"), event_id=fresh), world.new(noted(lead, "b"), event_id=fresh)
        )


async def test_an_id_that_another_has_just_taken_in_the_same_stream_is_a_lost_race(
    world: World,
) -> None:
    """Two that derive the id from what they answer: the loser decides again, and sees the first."""
    lead, answer = uuid4(), uuid4()
    await world.append(world.new(world.captured(lead)))
    await world.append(world.new(noted(lead, "first"), event_id=answer))
    late = world.new(noted(lead, "second"), event_id=answer)
    with pytest.raises(Conflict):
        await world.append(late, expected={Stream("lead", lead): 1})
    with pytest.raises(IdReused):
        await world.append(late, expected={Stream("lead", lead): 2})
    assert await versions(world, lead) == [1, 2]


async def test_null_and_absent_are_two_contents(world: World) -> None:
    lead, event_id = uuid4(), uuid4()
    await world.append(world.new(world.captured(lead)))
    await world.append(world.new(LeadUpdated(lead_id=lead, source=None), event_id=event_id))
    with pytest.raises(IdReused):
        await world.append(world.new(LeadUpdated(lead_id=lead), event_id=event_id))


@pytest.mark.parametrize("copy_from", [1, 10**9])
async def test_a_bulk_append_leaves_what_single_appends_leave(
    world: World, monkeypatch: pytest.MonkeyPatch, copy_from: int
) -> None:
    """By COPY or by INSERT, with every sort of column null and not, and the same versions."""
    monkeypatch.setattr(appending, "COPY_FROM_EVENTS", copy_from)
    leads = [uuid4() for _ in range(300)]
    said: list[Event] = [world.captured(lead, email=None, source='"é🏠\\') for lead in leads]
    await world.append(*map(world.new, said))
    await world.append(*(world.new(noted(lead, f"note of {lead}")) for lead in leads))
    async with world.pool.acquire() as conn:
        history = await read.streams(conn, [Stream("lead", lead) for lead in leads])
    assert [recorded.event for recorded in history[:300]] == said
    assert {recorded.version for recorded in history[300:]} == {2}
    assert all(recorded.property_id == world.properties[0] for recorded in history)
