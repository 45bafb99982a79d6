"""The classes whose events change rows beside the log: an append skips the others."""

import asyncpg
import pytest

from events import codec
from events.claims import claims_of, move_of, releases_of
from events.event import Event
from events.keys.ring import current_ring
from events.log.state_rows import STATE_EVENTS, store_state
from events.timers import TIMER_EVENTS, timer_change
from tests.events.frozen import CURRENT
from tests.events.keys.loaded_keys import forget_keys
from tests.world import World, make_world


def decoded() -> list[Event]:
    events = [codec.decode(s.name, s.version, s.payload) for s in CURRENT.values()]
    assert all(isinstance(event, Event) for event in events)
    return events


OTHER_EVENTS = [event for event in decoded() if type(event) not in STATE_EVENTS]


@pytest.fixture
async def world(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> World:
    forget_keys(monkeypatch)
    return await make_world(pool)


async def count_changed_rows(owner_pool: asyncpg.Pool) -> list[int]:
    """Return the rows that were inserted, updated or deleted in each table of state."""
    tables = ("claims", "slot_times", "tour_times", "live_runs", "timers", "erased_subjects")
    return [
        await owner_pool.fetchval(
            f"SELECT coalesce(sum(xmin::text::bigint), 0) + count(*) FROM crm.{table}"
        )
        for table in tables
    ]


async def test_other_events_change_no_rows_of_state(world: World, owner_pool: asyncpg.Pool) -> None:
    assert OTHER_EVENTS
    before = await count_changed_rows(owner_pool)
    async with world.pool.acquire() as conn, conn.transaction():
        contact_key = await current_ring().contact_key(conn)
        events = [world.new(event) for event in OTHER_EVENTS]
        await store_state(conn, events, events, contact_key)
    assert await count_changed_rows(owner_pool) == before


@pytest.mark.parametrize("event", OTHER_EVENTS, ids=lambda event: event.name)
def test_other_events_have_no_claims_and_no_timers(event: Event) -> None:
    assert (claims_of(event, bytes(32)), releases_of(event), move_of(event)) == ([], [], None)
    assert timer_change(event) is None


def test_the_classes_of_timers_are_those_with_a_timer_change() -> None:
    kinds = {type(event) for event in decoded() if timer_change(event) is not None}
    assert kinds == set(TIMER_EVENTS)
