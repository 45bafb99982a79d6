"""Poison events park the events that touch the same ids, whatever the batches, and no others."""

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.log import sequencer
from projections.catalog import LIVE
from projections.engine import projection_pipeline
from projections.engine.batch import WriterIdentity
from projections.engine.retry import RetryResult, find_shards_with_parked, retry_parked
from tests.replay_determinism import poison
from tests.replay_determinism.delivery import FROM_LOG, DeliveryPlan, delivery_plans, make_bus
from tests.replay_determinism.history import (
    SHARDS,
    clear_tables,
    read_parked,
    read_tables,
    start_history,
    steps,
)
from tests.replay_determinism.property import FORWARD, HistoryStep
from tests.replay_determinism.test_replay_determinism import NO_TIME_LIMITS, rebuild

poison_steps = st.builds(
    HistoryStep,
    action=st.sampled_from(sorted(poison.POISONS)),
    property_index=st.integers(0, len(SHARDS) - 1),
    target=st.integers(0, 5),
    variant=st.integers(0, 20),
    timing=st.integers(0, len(FORWARD) - 1),
)
histories = st.lists(st.one_of(steps, steps, steps, poison_steps), min_size=25, max_size=100)
ways = st.tuples(delivery_plans, st.sampled_from([3, 30, projection_pipeline.HOLD_ROWS]))


async def assert_independent_of_delivery(
    pool: asyncpg.Pool,
    owner_pool: asyncpg.Pool,
    monkeypatch: pytest.MonkeyPatch,
    history: list[HistoryStep],
    ways: list[tuple[DeliveryPlan, int]],
) -> None:
    """Deliver a history with poison events in several ways, then fix, retry, drop and rebuild."""
    writer = await start_history(pool, owner_pool)
    await poison.append_with_poison(writer, history)
    results = []
    for plan, rows_held in ways:
        await clear_tables(owner_pool)
        with monkeypatch.context() as small:
            small.setattr(projection_pipeline, "HOLD_ROWS", rows_held)
            await (await make_bus(pool)).deliver(plan)
        results.append((await read_parked(pool), await read_tables(pool)))
    for parked, rows in results[1:]:
        assert parked == results[0][0]
        assert rows == results[0][1]
    assert (await rebuild(owner_pool).verify()).equal
    await poison.fix_poison(writer)
    await retry_all_parked(pool)
    reasons = [reason for _, reason, behind, _ in await read_parked(pool) if not behind]
    await (await make_bus(pool)).deliver(FROM_LOG)
    assert (await rebuild(owner_pool).verify()).equal
    rounds = 0
    while dropped := await poison.drop_poison_events(writer):
        await (await make_bus(pool)).deliver(FROM_LOG)
        assert (await retry_all_parked(pool)).dropped == dropped
        rounds += 1
        assert rounds < 50, reasons
    assert await read_parked(pool) == []
    rows = await read_tables(pool)
    await rebuild(owner_pool).rebuild(repair=False)
    assert await read_tables(pool) == rows


async def retry_all_parked(pool: asyncpg.Pool) -> RetryResult:
    async with pool.acquire() as conn:
        state = await sequencer.read_log_state(conn)
        shards = await find_shards_with_parked(conn, LIVE.name)
    total = RetryResult()
    for shard in shards:
        result = await retry_parked(pool, WriterIdentity(LIVE, state.generation), shard)
        total.applied += result.applied
        total.dropped += result.dropped
    return total


@pytest.mark.parametrize("action", ["add_engagement", "identify_session"])
async def test_retention_deletes_rows_whose_events_were_parked(
    pool: asyncpg.Pool, owner_pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    """Retention names rows by the ids of their events, so it waits behind those."""
    history = [
        HistoryStep("add_lead", 0, 0, 8, 0), HistoryStep("start_session", 0, 0, 1, 0),
        HistoryStep("start_conversation", 0, 0, 1, 0),
        HistoryStep("invalid_payload", 0, 0, 0, 0), HistoryStep(action, 0, 0, 18, 1),
        HistoryStep("apply_retention", 0, 1, 6, 2),
    ]  # fmt: skip
    await assert_independent_of_delivery(
        pool, owner_pool, monkeypatch, history, [(FROM_LOG, 30), (DeliveryPlan(rest=1), 3)]
    )


@pytest.mark.parametrize("name", sorted(poison.POISONS))
async def test_an_erasure_waits_behind_a_parked_event_and_leaves_no_text(
    pool: asyncpg.Pool, owner_pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It is folded after the retry, or the drop, of the parked event."""
    history = [
        HistoryStep("add_lead", 0, 0, 2, 0), HistoryStep("start_session", 0, 0, 1, 0),
        HistoryStep("start_conversation", 0, 0, 1, 0), HistoryStep(name, 0, 0, 0, 0),
        HistoryStep("update_lead", 0, 0, 1, 1), HistoryStep("add_engagement", 0, 0, 18, 1),
        HistoryStep("erase_lead", 0, 0, 0, 1), HistoryStep("update_lead", 0, 0, 2, 1),
    ]  # fmt: skip
    await assert_independent_of_delivery(
        pool, owner_pool, monkeypatch, history, [(FROM_LOG, 30), (DeliveryPlan(rest=1), 3)]
    )
    erased = await pool.fetch("SELECT subject_id FROM crm_state.erased_subjects")
    assert erased
    texts = await pool.fetch(
        "SELECT first_name, last_name, email, phone, notes FROM leads WHERE id = ANY($1)",
        [row["subject_id"] for row in erased],
    )
    assert [tuple(row) for row in texts] == [(None,) * 5]


@settings(NO_TIME_LIMITS, max_examples=8)
@given(histories, st.lists(ways, min_size=2, max_size=3))
async def test_parked_events_do_not_depend_on_the_delivery(
    pool: asyncpg.Pool,
    owner_pool: asyncpg.Pool,
    monkeypatch: pytest.MonkeyPatch,
    history: list[HistoryStep],
    ways: list[tuple[DeliveryPlan, int]],
) -> None:
    await assert_independent_of_delivery(pool, owner_pool, monkeypatch, history, ways)


@pytest.mark.soak
@pytest.mark.parametrize("_", range(30))
@settings(NO_TIME_LIMITS, max_examples=100)
@given(histories, st.lists(ways, min_size=2, max_size=3))
async def test_poison_events_in_thousands_of_histories(
    pool: asyncpg.Pool,
    owner_pool: asyncpg.Pool,
    monkeypatch: pytest.MonkeyPatch,
    _: int,
    history: list[HistoryStep],
    ways: list[tuple[DeliveryPlan, int]],
) -> None:
    await assert_independent_of_delivery(pool, owner_pool, monkeypatch, history, ways)


@pytest.mark.parametrize("name", sorted(poison.POISONS))
async def test_each_poison_event_parks_only_the_events_of_its_lead(
    pool: asyncpg.Pool, owner_pool: asyncpg.Pool, name: str
) -> None:
    writer = await start_history(pool, owner_pool)
    steps_before = [
        HistoryStep(action, 0, 0, 2, 2) for action in ("add_lead", "add_lead", "start_conversation")
    ]
    await poison.append_with_poison(writer, [*steps_before, HistoryStep(name, 0, 0, 2, 2)])
    await (await make_bus(pool)).deliver(FROM_LOG)
    parked_events = await read_parked(pool)
    assert [behind for _, _, behind, _ in parked_events].count(False) == 1
    await writer.append_steps(
        [HistoryStep("add_lead", 1, 1, 1, 2), HistoryStep("add_engagement", 1, 0, 2, 2)]
    )
    await (await make_bus(pool)).deliver(FROM_LOG)
    assert await read_parked(pool) == parked_events
    assert len((await read_tables(pool))["leads"]) == 3
