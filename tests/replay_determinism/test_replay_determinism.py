"""Replay determinism: live, rebuilt and twice replayed tables are equal, row for row."""

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events import catalog
from projections.catalog import LIVE
from projections.engine import backlog, projection_pipeline, shadow_fold, shard_history
from projections.engine.rebuild import Rebuild
from projections.engine.shadow_fold import make_log_fold
from tests.replay_determinism.delivery import FROM_LOG, DeliveryPlan, delivery_plans, make_bus
from tests.replay_determinism.history import (
    HOST_ROWS,
    Tables,
    clear_tables,
    histories,
    read_parked,
    read_tables,
    start_history,
)
from tests.replay_determinism.property import HistoryStep
from tests.replay_determinism.steps import STEPS

NO_TIME_LIMITS = settings(
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture,
    ],
)  # fmt: skip


async def assert_replay_determinism(
    pool: asyncpg.Pool,
    owner_pool: asyncpg.Pool,
    monkeypatch: pytest.MonkeyPatch,
    history: list[HistoryStep],
    plan: DeliveryPlan,
) -> Tables:
    """Append a history, build its tables in all ways, compare them, and return the rows."""
    writer = await start_history(pool, owner_pool)
    await writer.append_steps(history)
    await (await make_bus(pool)).deliver(plan)
    assert await read_parked(pool) == []
    rows = await read_tables(pool)
    outcome = await rebuild(owner_pool).verify()
    assert outcome.equal, [c for c in outcome.comparisons if not c.equal]
    for page in (shard_history.PAGE_EVENTS, 7):
        with monkeypatch.context() as small:
            small.setattr(shard_history, "PAGE_EVENTS", page)
            small.setattr(shadow_fold, "HOLD_ROWS", 50 * page)
            assert (await rebuild(owner_pool).rebuild(repair=False)).swapped
        assert await read_tables(pool) == rows
    await clear_tables(owner_pool)
    await (await make_bus(pool)).deliver(FROM_LOG)
    assert await read_tables(pool) == rows
    return rows


def set_bounds(small: pytest.MonkeyPatch, rows: int, events: int) -> None:
    small.setattr(projection_pipeline, "HOLD_ROWS", rows)
    small.setattr(backlog, "GATHER_EVENTS", events)


def rebuild(pool: asyncpg.Pool) -> Rebuild:
    return Rebuild(pool, LIVE, LIVE, make_log_fold(pool), lambda *_: None)


bounds = st.tuples(
    st.sampled_from([3, 30, projection_pipeline.HOLD_ROWS]),
    st.sampled_from([1, 20, backlog.GATHER_EVENTS]),
)
"""Rows that an engine keeps in memory, and events that wait behind a batch being written."""


@settings(NO_TIME_LIMITS, max_examples=15)
@given(histories, delivery_plans, bounds)
async def test_live_rebuilt_and_replayed_tables_are_equal(
    pool: asyncpg.Pool,
    owner_pool: asyncpg.Pool,
    monkeypatch: pytest.MonkeyPatch,
    history: list[HistoryStep],
    plan: DeliveryPlan,
    bound: tuple[int, int],
) -> None:
    with monkeypatch.context() as small:
        set_bounds(small, *bound)
        await assert_replay_determinism(pool, owner_pool, small, history, plan)


@pytest.mark.soak
@pytest.mark.parametrize("_", range(20))
@settings(NO_TIME_LIMITS, max_examples=100)
@given(histories, delivery_plans, bounds)
async def test_replay_determinism_of_thousands_of_histories(
    pool: asyncpg.Pool,
    owner_pool: asyncpg.Pool,
    monkeypatch: pytest.MonkeyPatch,
    _: int,
    history: list[HistoryStep],
    plan: DeliveryPlan,
    bound: tuple[int, int],
) -> None:
    with monkeypatch.context() as small:
        set_bounds(small, *bound)
        await assert_replay_determinism(pool, owner_pool, small, history, plan)


async def test_every_event_that_a_projection_handles_is_part_of_a_history(
    pool: asyncpg.Pool, owner_pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new projection or event is tested without a change here."""
    first = [
        HistoryStep("add_lead", 0, target, variant, 0) for target in (2, 1, 0) for variant in (0, 1)
    ]
    first += [
        HistoryStep("start_session", 0, 1, 1, 2),
        HistoryStep("start_conversation", 0, 0, 1, 2),
        HistoryStep("book_tour", 0, 0, 1, 2),
    ]
    rest = [
        HistoryStep(what, 0, variant + 1, variant, 3) for variant in range(24) for what in STEPS
    ]
    rest += [
        HistoryStep("continue_tour", 0, target, variant, 3)
        for target in range(9)
        for variant in (0, 6, 12)
    ]
    rest += [
        HistoryStep(HOST_ROWS, 0, target, variant, 3)
        for variant in range(12)
        for target in range(2)
    ]
    rows = await assert_replay_determinism(pool, owner_pool, monkeypatch, [*first, *rest], FROM_LOG)
    async with pool.acquire() as conn:
        appended = {r["event_type"] for r in await conn.fetch("SELECT event_type FROM crm_events")}
    handled = {kind.name for projection in LIVE.projections for kind in projection.projectors}
    assert handled <= appended
    assert set(catalog.CATALOG) - appended == {"parked.dropped"}
    assert all(rows.values()), "a table has no rows"
