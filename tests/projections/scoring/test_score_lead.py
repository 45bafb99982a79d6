"""The plan's SQL function says the same as v1.0 of the rows that random histories leave."""

from datetime import datetime, timedelta
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
from tests.replay_determinism.delivery import FROM_LOG, courier
from tests.replay_determinism.history import begin, histories
from tests.replay_determinism.property import Step

SQL = (Path(__file__).parent / "score_lead.sql").read_text(encoding="utf-8")
ERASED = 5
"""The sort of update that keeps a flag without its value, of which the plan knows nothing."""
AS_OF = (timedelta(), TICK, timedelta(days=1), timedelta(days=9), timedelta(days=30))
UNHURRIED = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture,
                           HealthCheck.data_too_large],
)  # fmt: skip


@pytest.fixture
async def planned(pool: asyncpg.Pool) -> asyncpg.Pool:
    """A pool on a database that has the plan's function too."""
    async with pool.acquire() as conn:
        await conn.execute(SQL)
    return pool


async def score_lead(conn: Connection, lead_id: UUID, now: datetime) -> tuple[Any, ...]:
    """What the plan's function answers."""
    row = await conn.fetchrow("SELECT * FROM plan.score_lead($1, $2)", lead_id, now)
    return tuple(row or ())


def _is_strange(step: Step) -> bool:
    """Of this the plan's tables know nothing: also of rows that go while they still count."""
    return step.what == "retain" or (step.what == "update" and step.how % 6 == ERASED)


async def agree(planned: asyncpg.Pool, history: list[Step]) -> None:
    """The rows of `lead_scores`, and the model later, are the plan's."""
    story = await begin(planned)
    await story.tell([s for s in history if not _is_strange(s)])
    await (await courier(planned)).deliver(FROM_LOG)
    async with planned.acquire() as conn:
        states = await conn.fetch(
            "SELECT lead_id, facts, fold_time FROM crm_state.lead_score_state "
            "WHERE merged IS NULL"  # the plan knows no merges
        )
        for lead_id, inputs, fold_time in states:
            for later in AS_OF:
                now = fold_time + later
                said = await score_lead(conn, lead_id, now)
                assert said == v1.score(inputs, micros(now))[:7]
            newest = await conn.fetchrow(
                "SELECT total_score, engagement_score, timing_score, source_score, "
                "completeness_score, behavior_score, score_bucket FROM lead_scores "
                "WHERE lead_id = $1 ORDER BY revision DESC LIMIT 1",
                lead_id,
            )
            assert tuple(newest or ()) == await score_lead(conn, lead_id, fold_time)


@settings(UNHURRIED, max_examples=25)
@given(histories)
async def test_score_lead_agrees_on_every_lead_now_and_later(
    planned: asyncpg.Pool, history: list[Step]
) -> None:
    await agree(planned, history)


@pytest.mark.soak
@settings(UNHURRIED, max_examples=400)
@given(histories)
async def test_score_lead_agrees_on_thousands_of_leads(
    planned: asyncpg.Pool, history: list[Step]
) -> None:
    await agree(planned, history)


@settings(UNHURRIED, max_examples=300)
@given(leads_at())
async def test_score_lead_agrees_on_any_source_name_and_instant(
    planned: asyncpg.Pool, case: tuple[Lead, datetime]
) -> None:
    lead, now = case
    lead_id = uuid4()
    async with planned.acquire() as conn:
        undone = conn.transaction()
        await undone.start()
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
        said = await score_lead(conn, lead_id, now)
        await undone.rollback()
    assert said == v1.score(lead.inputs, micros(now))[:7]
