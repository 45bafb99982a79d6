"""Poison parks what it touches and nothing else, whatever the batch edges; and leaves no trace."""

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.log import sequencer
from projections.catalog import LIVE
from projections.engine import live
from projections.engine.apply import Life
from projections.engine.retry import Retried, retry, shards_with_parked
from tests.replay_determinism import poison
from tests.replay_determinism.delivery import FROM_LOG, Plan, courier, plans
from tests.replay_determinism.history import (
    SHARDS,
    begin,
    forget_tables,
    parked_of,
    steps,
    tables_of,
)
from tests.replay_determinism.property import LATER, Step
from tests.replay_determinism.test_replay_determinism import UNHURRIED, rebuild

poisonous = st.builds(
    Step,
    what=st.sampled_from(sorted(poison.POISONS)),
    host_property=st.integers(0, len(SHARDS) - 1),
    whom=st.integers(0, 5),
    how=st.integers(0, 20),
    when=st.integers(0, len(LATER) - 1),
)
histories = st.lists(st.one_of(steps, steps, steps, poisonous), min_size=25, max_size=100)
ways = st.tuples(plans, st.sampled_from([3, 30, live.HOLD_ROWS]))


async def stay_the_same(
    pool: asyncpg.Pool,
    monkeypatch: pytest.MonkeyPatch,
    history: list[Step],
    ways: list[tuple[Plan, int]],
) -> None:
    """Bring a poisoned history about in several ways, then fix, retry, drop and rebuild."""
    story = await begin(pool)
    await poison.tell(story, history)
    found = []
    for plan, rows_held in ways:
        await forget_tables(pool)
        with monkeypatch.context() as small:
            small.setattr(live, "HOLD_ROWS", rows_held)
            await (await courier(pool)).deliver(plan)
        found.append((await parked_of(pool), await tables_of(pool)))
    for parked, rows in found[1:]:
        assert parked == found[0][0]
        assert rows == found[0][1]
    assert (await rebuild(pool).verify()).equal
    await poison.fix(story)
    await retry_all(pool)
    reasons = [reason for _, reason, behind, _ in await parked_of(pool) if not behind]
    await (await courier(pool)).deliver(FROM_LOG)
    assert (await rebuild(pool).verify()).equal
    rounds = 0
    while dropped := await poison.drop_the_guilty(story):
        await (await courier(pool)).deliver(FROM_LOG)
        assert (await retry_all(pool)).dropped == dropped
        rounds += 1
        assert rounds < 50, reasons
    assert await parked_of(pool) == []
    rows = await tables_of(pool)
    await rebuild(pool).rebuild(repair=False)
    assert await tables_of(pool) == rows


async def retry_all(pool: asyncpg.Pool) -> Retried:
    async with pool.acquire() as conn:
        state = await sequencer.state(conn)
        shards = await shards_with_parked(conn, LIVE.name)
    whole = Retried()
    for shard in shards:
        done = await retry(pool, Life(LIVE, state.generation), shard)
        whole.applied += done.applied
        whole.dropped += done.dropped
    return whole


@pytest.mark.parametrize("engaging", ["engage", "identify"])
async def test_rows_that_were_to_go_while_their_facts_were_parked_are_gone(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, engaging: str
) -> None:
    """Retention names rows by the ids of their facts: it waits where those wait."""
    history = [
        Step("arrive", 0, 0, 8, 0), Step("visit", 0, 0, 1, 0), Step("converse", 0, 0, 1, 0),
        Step("a_payload_that_never_was_one", 0, 0, 0, 0), Step(engaging, 0, 0, 18, 1),
        Step("retain", 0, 1, 6, 2),
    ]  # fmt: skip
    await stay_the_same(pool, monkeypatch, history, [(FROM_LOG, 30), (Plan(rest=1), 3)])


@settings(UNHURRIED, max_examples=8)
@given(histories, st.lists(ways, min_size=2, max_size=3))
async def test_what_is_parked_does_not_depend_on_how_it_came(
    pool: asyncpg.Pool,
    monkeypatch: pytest.MonkeyPatch,
    history: list[Step],
    ways: list[tuple[Plan, int]],
) -> None:
    await stay_the_same(pool, monkeypatch, history, ways)


@pytest.mark.soak
@pytest.mark.parametrize("_", range(30))
@settings(UNHURRIED, max_examples=100)
@given(histories, st.lists(ways, min_size=2, max_size=3))
async def test_poison_leaves_no_trace_in_thousands_of_histories(
    pool: asyncpg.Pool,
    monkeypatch: pytest.MonkeyPatch,
    _: int,
    history: list[Step],
    ways: list[tuple[Plan, int]],
) -> None:
    await stay_the_same(pool, monkeypatch, history, ways)


@pytest.mark.parametrize("name", sorted(poison.POISONS))
async def test_each_poison_parks_its_lead_and_nothing_else(pool: asyncpg.Pool, name: str) -> None:
    story = await begin(pool)
    host_property = [Step(what, 0, 0, 2, 2) for what in ("arrive", "arrive", "converse")]
    await poison.tell(story, [*host_property, Step(name, 0, 0, 2, 2)])
    await (await courier(pool)).deliver(FROM_LOG)
    bad = await parked_of(pool)
    assert [behind for _, _, behind, _ in bad].count(False) == 1
    await story.tell([Step("arrive", 1, 1, 1, 2), Step("engage", 1, 0, 2, 2)])
    await (await courier(pool)).deliver(FROM_LOG)
    assert await parked_of(pool) == bad
    assert len((await tables_of(pool))["leads"]) == 3
