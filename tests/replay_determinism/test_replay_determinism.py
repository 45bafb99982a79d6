"""The law: live = rebuilt = replayed twice, row for row, whatever happens on the way."""

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events import catalog, codec
from projections.catalog import LIVE
from projections.engine import backlog, live, refold
from projections.engine.rebuild import Rebuild
from projections.engine.refold import folding_log
from tests.events.cipher import Backwards
from tests.replay_determinism.delivery import FROM_LOG, Plan, courier, plans
from tests.replay_determinism.history import (
    HOST_ROWS,
    Tables,
    begin,
    forget_tables,
    histories,
    parked_of,
    tables_of,
)
from tests.replay_determinism.property import Step
from tests.replay_determinism.steps import STEPS

UNHURRIED = settings(
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture,
    ],
)  # fmt: skip


async def hold(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, history: list[Step], plan: Plan
) -> Tables:
    """Tell a history, bring it about in every way there is, and compare; returns the rows."""
    story = await begin(pool)
    await story.tell(history)
    await (await courier(pool)).deliver(plan)
    assert await parked_of(pool) == []
    rows = await tables_of(pool)
    outcome = await rebuild(pool).verify()
    assert outcome.equal, [c for c in outcome.comparisons if not c.equal]
    for page in (refold.PAGE_EVENTS, 7):
        with monkeypatch.context() as small:
            small.setattr(refold, "PAGE_EVENTS", page)
            small.setattr(refold, "HOLD_ROWS", 50 * page)
            assert (await rebuild(pool).rebuild(repair=False)).swapped
        assert await tables_of(pool) == rows
    await forget_tables(pool)
    await (await courier(pool)).deliver(FROM_LOG)
    assert await tables_of(pool) == rows
    return rows


def _bind(small: pytest.MonkeyPatch, rows: int, events: int) -> None:
    small.setattr(live, "HOLD_ROWS", rows)
    small.setattr(backlog, "GATHER_EVENTS", events)


def rebuild(pool: asyncpg.Pool) -> Rebuild:
    return Rebuild(pool, LIVE, LIVE, folding_log(pool), lambda *_: None)


bounds = st.tuples(
    st.sampled_from([3, 30, live.HOLD_ROWS]), st.sampled_from([1, 20, backlog.GATHER_EVENTS])
)
"""How many rows an engine holds, and how many events gather behind a batch being written."""


@settings(UNHURRIED, max_examples=15)
@given(histories, plans, bounds)
async def test_live_is_rebuilt_is_replayed_twice(
    pool: asyncpg.Pool,
    monkeypatch: pytest.MonkeyPatch,
    history: list[Step],
    plan: Plan,
    bound: tuple[int, int],
) -> None:
    with monkeypatch.context() as small:
        _bind(small, *bound)
        await hold(pool, small, history, plan)


@pytest.mark.soak
@pytest.mark.parametrize("_", range(20))
@settings(UNHURRIED, max_examples=100)
@given(histories, plans, bounds)
async def test_the_law_holds_for_thousands_of_histories(
    pool: asyncpg.Pool,
    monkeypatch: pytest.MonkeyPatch,
    _: int,
    history: list[Step],
    plan: Plan,
    bound: tuple[int, int],
) -> None:
    with monkeypatch.context() as small:
        _bind(small, *bound)
        await hold(pool, small, history, plan)


@pytest.mark.parametrize("cipher", [None, Backwards()])
async def test_every_event_a_projection_handles_is_told_and_folded(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, cipher: Backwards | None
) -> None:
    """A new projection or a new event comes under the law without being named here."""
    monkeypatch.setattr(codec, "_cipher", cipher)
    first = [Step("arrive", 0, whom, how, 0) for whom in (2, 1, 0) for how in (0, 1)]
    first += [Step("visit", 0, 1, 1, 2), Step("converse", 0, 0, 1, 2), Step("book", 0, 0, 1, 2)]
    rest = [Step(what, 0, how + 1, how, 3) for how in range(24) for what in STEPS]
    rest += [Step("go_on", 0, whom, how, 3) for whom in range(9) for how in (0, 6, 12)]
    if cipher is None:  # a trigger's facts do not pass the codec
        rest += [Step(HOST_ROWS, 0, whom, how, 3) for how in range(12) for whom in range(2)]
    rows = await hold(pool, monkeypatch, [*first, *rest], FROM_LOG)
    async with pool.acquire() as conn:
        told = {r["event_type"] for r in await conn.fetch("SELECT event_type FROM crm_events")}
    handled = {kind.name for projection in LIVE.projections for kind in projection.handlers}
    assert handled <= told
    assert set(catalog.CATALOG) - told == {"parked.dropped"}
    assert all(rows.values()), "every table has rows"
