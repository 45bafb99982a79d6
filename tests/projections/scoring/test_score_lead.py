"""The SQL function of the plan and v1.0 compute equal scores from the rows of random histories."""

from datetime import datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings

from events.log.connection import Connection
from projections.scoring import v1
from projections.scoring.inputs import micros
from tests.projections.scoring.plan import TICK, Lead, leads_at
from tests.replay_determinism.delivery import FROM_LOG, make_bus
from tests.replay_determinism.history import histories, start_history
from tests.replay_determinism.property import HistoryStep

SQL = (Path(__file__).parent / "score_lead.sql").read_text(encoding="utf-8")
FLAG_ONLY = 5
"""The variant of an update that sets a flag without its value, which the plan does not have."""
AS_OF = (timedelta(), TICK, timedelta(days=1), timedelta(days=9), timedelta(days=30))
ALL_PARTS = itemgetter(*range(7))
PARTS_WITHOUT_COMPLETENESS = itemgetter(1, 2, 3, 5)
"""Engagement, timing, source and behavior of an erased lead.

An erasure empties the contact columns, which the plan reads. A score keeps what they counted.
"""
NO_TIME_LIMITS = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture,
                           HealthCheck.data_too_large],
)  # fmt: skip


@pytest.fixture
async def plan_pool(owner_pool: asyncpg.Pool) -> asyncpg.Pool:
    """Return a pool on a database that also has the function of the plan."""
    async with owner_pool.acquire() as conn:
        await conn.execute(SQL)
    return owner_pool


async def score_lead(conn: Connection, lead_id: UUID, now: datetime) -> tuple[Any, ...]:
    """Return the result of the plan's function."""
    row = await conn.fetchrow("SELECT * FROM plan.score_lead($1, $2)", lead_id, now)
    return tuple(row or ())


def _is_unknown_to_plan(step: HistoryStep) -> bool:
    """Return whether the plan has no such step: it neither deletes counted rows nor sets flags."""
    return step.action == "apply_retention" or (
        step.action == "update_lead" and step.variant % 6 == FLAG_ONLY
    )


async def compare_scores(plan_pool: asyncpg.Pool, history: list[HistoryStep]) -> None:
    """Append a history, and compare stored and later scores with the plan's function."""
    writer = await start_history(plan_pool, plan_pool)
    await writer.append_steps([s for s in history if not _is_unknown_to_plan(s)])
    await (await make_bus(plan_pool)).deliver(FROM_LOG)
    async with plan_pool.acquire() as conn:
        states = await conn.fetch(
            "SELECT lead_id, inputs, fold_time, EXISTS (SELECT FROM crm_state.erased_subjects "
            "WHERE subject_id = lead_id) AS is_erased FROM crm_state.lead_score_state "
            "WHERE merged IS NULL AND NOT is_restricted"  # the plan has neither
        )
        for lead_id, inputs, fold_time, is_erased in states:
            known = PARTS_WITHOUT_COMPLETENESS if is_erased else ALL_PARTS
            for later in AS_OF:
                now = fold_time + later
                expected = await score_lead(conn, lead_id, now)
                assert known(expected) == known(v1.score(inputs, micros(now)))
            newest = await conn.fetchrow(
                "SELECT total_score, engagement_score, timing_score, source_score, "
                "completeness_score, behavior_score, score_bucket FROM lead_scores "
                "WHERE lead_id = $1 ORDER BY revision DESC LIMIT 1",
                lead_id,
            )
            assert newest is not None
            assert known(newest) == known(await score_lead(conn, lead_id, fold_time))


@settings(NO_TIME_LIMITS, max_examples=25)
@given(histories)
async def test_the_scores_of_a_history_equal_the_plan_now_and_later(
    plan_pool: asyncpg.Pool, history: list[HistoryStep]
) -> None:
    await compare_scores(plan_pool, history)


@pytest.mark.soak
@settings(NO_TIME_LIMITS, max_examples=400)
@given(histories)
async def test_the_scores_of_thousands_of_leads_equal_the_plan(
    plan_pool: asyncpg.Pool, history: list[HistoryStep]
) -> None:
    await compare_scores(plan_pool, history)


@settings(NO_TIME_LIMITS, max_examples=300)
@given(leads_at())
async def test_the_score_of_any_source_name_and_instant_equals_the_plan(
    plan_pool: asyncpg.Pool, case: tuple[Lead, datetime]
) -> None:
    lead, now = case
    lead_id = uuid4()
    async with plan_pool.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        await conn.execute("SET LOCAL crm.engine = 'on'")
        await conn.execute(
            "INSERT INTO leads (id, created_at, source, email, phone, first_name, last_name) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7)",
            lead_id, lead.created, lead.source, lead.email, lead.phone, lead.first_name,
            lead.last_name,
        )  # fmt: skip
        await conn.executemany(
            "INSERT INTO lead_engagement_events (lead_id, event_type, created_at, score_weight) "
            "VALUES ($1, 'price_check', $2, $3)",
            [(lead_id, at, weight) for at, weight in lead.engagements],
        )
        await conn.executemany(
            "INSERT INTO tours (lead_id, status, tour_date, tour_time) "
            "VALUES ($1, $2, '2026-01-01', '10:00')",
            [(lead_id, status) for status in lead.tours.values()],
        )
        expected = await score_lead(conn, lead_id, now)
        await transaction.rollback()
    assert expected == v1.score(lead.inputs, micros(now))[:7]
