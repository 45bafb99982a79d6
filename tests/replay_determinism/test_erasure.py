"""Replay determinism with erased subjects: before, during and after an erasure."""

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.leads import LeadErased
from projections.catalog import LIVE
from tests.replay_determinism.delivery import FROM_LOG, DeliveryPlan, delivery_plans, make_bus
from tests.replay_determinism.history import (
    HistoryWriter,
    Tables,
    clear_tables,
    histories,
    read_parked,
    read_tables,
    start_history,
)
from tests.replay_determinism.property import HistoryStep
from tests.replay_determinism.test_replay_determinism import (
    NO_TIME_LIMITS,
    bounds,
    rebuild,
    set_bounds,
)

erasures = st.lists(
    st.builds(
        HistoryStep,
        action=st.just("erase_lead"),
        property_index=st.integers(0, 4),
        target=st.integers(0, 5),
        variant=st.just(0),
        timing=st.just(1),
    ),
    min_size=1,
    max_size=4,
)


async def _erased_numbers(pool: asyncpg.Pool) -> set[str]:
    async with pool.acquire() as conn:
        rows = await conn.fetch("SELECT subject_id::text FROM crm_state.erased_subjects")
    return {row["subject_id"] for row in rows}


def _compare(before: Tables, after: Tables, erased: set[str]) -> None:
    """Check that rows of erased subjects have no personal value, and all others are the same."""
    for table in LIVE.tables:
        if table.lists_erased_subjects:
            continue
        rows = {row[0]: row for row in before[table.name]}
        assert [row[0] for row in after[table.name]] == [row[0] for row in before[table.name]]
        for row in after[table.name]:
            expected = list(rows[row[0]])
            if table.subject and row[table.columns.index(table.subject)] in erased:
                for column, value in table.erased_values.items():
                    expected[table.columns.index(column)] = "{}" if value == {} else value
            assert list(row) == expected, table.name


@settings(NO_TIME_LIMITS, max_examples=8)
@given(histories, erasures, histories, delivery_plans, bounds)
async def test_tables_are_equal_before_during_and_after_erasures(
    pool: asyncpg.Pool,
    owner_pool: asyncpg.Pool,
    monkeypatch: pytest.MonkeyPatch,
    history: list[HistoryStep],
    requests: list[HistoryStep],
    later: list[HistoryStep],
    plan: DeliveryPlan,
    bound: tuple[int, int],
) -> None:
    with monkeypatch.context() as small:
        set_bounds(small, *bound)
        writer = await start_history(pool, owner_pool)
        before = await _fold(pool, owner_pool, writer, history, plan)
        was_erased = await _erased_numbers(pool)
        after = await _fold(pool, owner_pool, writer, requests, plan)
        _compare(before, after, await _erased_numbers(pool))
        assert was_erased <= await _erased_numbers(pool)
        await _fold(pool, owner_pool, writer, later, plan)


async def _fold(
    pool: asyncpg.Pool,
    owner_pool: asyncpg.Pool,
    writer: HistoryWriter,
    steps: list[HistoryStep],
    plan: DeliveryPlan,
) -> Tables:
    """Append steps, build the tables in all ways, compare them, and return the rows."""
    await writer.append_steps(steps)
    await (await make_bus(pool)).deliver(plan)
    assert await read_parked(pool) == []
    rows = await read_tables(pool)
    outcome = await rebuild(owner_pool).rebuild(repair=False)
    assert outcome.equal, [c for c in outcome.comparisons if not c.equal]
    assert await read_tables(pool) == rows
    await clear_tables(owner_pool)
    await (await make_bus(pool)).deliver(FROM_LOG)
    assert await read_tables(pool) == rows
    return rows


async def test_an_erasure_in_the_same_batch_as_its_events_leaves_no_text(
    pool: asyncpg.Pool, owner_pool: asyncpg.Pool
) -> None:
    """Rows that are inserted, changed and erased before they are first written."""
    writer = await start_history(pool, owner_pool)
    steps = [
        HistoryStep(what, 0, 0, variant, 2)
        for variant in (2, 1)
        for what in ("add_lead", "update_lead", "change_lead", "book_tour")
    ]
    await _fold(pool, owner_pool, writer, [*steps, HistoryStep("erase_lead", 0, 0, 0, 2)], FROM_LOG)
    async with pool.acquire() as conn:
        erased = await conn.fetchval("SELECT lead_id FROM crm_state.erased_subjects")
        lead = await conn.fetchrow("SELECT * FROM leads WHERE id = $1", erased)
        assert lead is not None
        assert lead["created_at"] is not None
        assert [lead[c] for c in ("first_name", "last_name", "email", "notes")] == [None] * 4
        events = await conn.fetchval(
            "SELECT count(*) FROM crm_events WHERE event_type = $1", LeadErased.name
        )
    assert events == 1
