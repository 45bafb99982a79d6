"""Append: several streams, expected versions, guards and deduplication in one transaction."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.event import Event
from events.leads import LeadNoted, LeadUpdated
from events.log import append as appending
from events.log import event_rows, read
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


async def test_events_of_several_streams_are_appended_all_or_none(world: World) -> None:
    first, second = uuid4(), uuid4()
    await world.append(world.new(world.captured(first)))
    with pytest.raises(Conflict):
        await world.append(
            world.new(world.captured(second, email="o@example.com")),
            world.new(noted(first)),
            expected={Stream("lead", second): 0, Stream("lead", first): 7},
        )
    assert await versions(world, first) == [1]
    assert await versions(world, second) == []


async def test_an_observed_event_gets_the_next_version_also_with_many_writers(world: World) -> None:
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    await asyncio.gather(*(world.append(world.new(noted(lead, str(n)))) for n in range(20)))
    assert await versions(world, lead) == list(range(1, 22))


async def test_one_of_many_appends_with_the_same_expected_version_succeeds(
    world: World,
) -> None:
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    appends = [
        world.append(world.new(noted(lead, str(n))), expected={Stream("lead", lead): 1})
        for n in range(10)
    ]
    outcomes = await asyncio.gather(*appends, return_exceptions=True)
    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 1
    conflicts = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    assert len(conflicts) == 9
    assert all((conflict.expected, conflict.actual) == (1, 2) for conflict in conflicts)


@pytest.mark.parametrize("protected", [True, False])
async def test_an_append_fails_if_a_guard_changes_concurrently(
    world: World, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    """The other transaction has changed the guard and commits after the append begins."""
    if not protected:
        monkeypatch.setattr(appending, "lock_for_append", _no_lock)
    guarded, written = uuid4(), uuid4()
    await world.append(world.new(world.captured(guarded)))
    async with world.pool.acquire() as conn:
        changing = conn.transaction()
        await changing.start()
        await append(conn, [world.new(noted(guarded, "stop"))], expected={})
        late = asyncio.create_task(_append_with_guard(world, written, Stream("lead", guarded)))
        if protected:
            await until(lambda: _is_a_lock_awaited(world.pool))
        else:
            await asyncio.wait_for(late, 10)
        await changing.commit()
    if protected:
        with pytest.raises(Conflict):
            await late
    assert await versions(world, written) == ([] if protected else [1])


async def _append_with_guard(world: World, lead: UUID, stream: Stream) -> None:
    async with world.pool.acquire() as conn, conn.transaction():
        new = world.new(world.captured(lead, email="r@example.com"))
        await append(conn, [new], expected={}, guards={stream: 1})


async def _no_lock(*_: object, **__: object) -> bool:
    return True


async def _is_a_lock_awaited(pool: asyncpg.Pool) -> bool:
    async with pool.acquire() as conn:
        return bool(await conn.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))


async def test_a_stream_never_changes_its_property(world: World) -> None:
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    with pytest.raises(WrongProperty):
        await world.append(world.new(noted(lead), property_id=world.properties[1]))


async def test_an_event_that_is_appended_again_is_a_duplicate(world: World) -> None:
    new = world.new(world.captured())
    first = await world.append(new)
    again = await world.append(new)
    assert (first.new, first.duplicates) == ((new.id,), ())
    assert (again.new, again.duplicates) == ((), (new.id,))
    assert await world.count("crm_events WHERE event_type = 'lead.captured'") == 1


async def test_an_event_twice_in_one_append_is_one_event(world: World) -> None:
    new = world.new(world.captured())
    assert (await world.append(new, new)).new == (new.id,)


async def test_an_event_id_with_another_content_is_refused(world: World) -> None:
    lead, event_id = uuid4(), uuid4()
    await world.append(world.new(world.captured(lead)), world.new(noted(lead), event_id=event_id))
    with pytest.raises(IdReused):
        await world.append(world.new(noted(lead, "other"), event_id=event_id))
    fresh = uuid4()
    with pytest.raises(IdReused):
        await world.append(
            world.new(noted(lead, "a"), event_id=fresh), world.new(noted(lead, "b"), event_id=fresh)
        )


async def test_an_event_id_that_another_append_used_in_the_same_stream_is_a_conflict(
    world: World,
) -> None:
    """Two commands can derive the same event id: the loser must decide again with the first."""
    lead, derived_id = uuid4(), uuid4()
    await world.append(world.new(world.captured(lead)))
    await world.append(world.new(noted(lead, "first"), event_id=derived_id))
    late = world.new(noted(lead, "second"), event_id=derived_id)
    with pytest.raises(Conflict):
        await world.append(late, expected={Stream("lead", lead): 1})
    with pytest.raises(IdReused):
        await world.append(late, expected={Stream("lead", lead): 2})
    assert await versions(world, lead) == [1, 2]


async def test_null_and_an_absent_field_are_different_contents(world: World) -> None:
    lead, event_id = uuid4(), uuid4()
    await world.append(world.new(world.captured(lead)))
    await world.append(world.new(LeadUpdated(lead_id=lead, source=None), event_id=event_id))
    with pytest.raises(IdReused):
        await world.append(world.new(LeadUpdated(lead_id=lead), event_id=event_id))


@pytest.mark.parametrize("min_copy_events", [1, 10**9])
async def test_a_bulk_append_stores_the_same_rows_as_single_appends(
    world: World, monkeypatch: pytest.MonkeyPatch, min_copy_events: int
) -> None:
    """COPY and INSERT store nulls, special characters and versions in the same way."""
    monkeypatch.setattr(event_rows, "MIN_COPY_EVENTS", min_copy_events)
    leads = [uuid4() for _ in range(300)]
    events: list[Event] = [world.captured(lead, email=None, source='"é🏠\\') for lead in leads]
    await world.append(*map(world.new, events))
    await world.append(*(world.new(noted(lead, f"note of {lead}")) for lead in leads))
    async with world.pool.acquire() as conn:
        history = await read.streams(conn, [Stream("lead", lead) for lead in leads])
    assert [recorded.event for recorded in history[:300]] == events
    assert {recorded.version for recorded in history[300:]} == {2}
    assert all(recorded.property_id == world.properties[0] for recorded in history)
