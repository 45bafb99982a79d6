"""Rows that point to rows: what is followed is loaded, however little is held in memory."""

import asyncio
from itertools import pairwise
from uuid import UUID, uuid4

import asyncpg
import pytest
import sqlalchemy as sa

from events.leads import LeadMerged, LeadUnmerged
from projections.catalog import LIVE
from projections.engine import live, refold, shadow
from projections.engine.projection import DerivedTable, Rows
from projections.engine.refold import Target
from services.runtime.database import pooled
from services.runtime.settings import Settings
from tests.conftest import until
from tests.projections.engine.test_rebuild import rebuild_of
from tests.replay_determinism.test_poison import retry_all
from tests.tours import scheduled
from tests.world import World, make_world, parked_reasons

CHAIN = DerivedTable(
    sa.Table(
        "chain", sa.MetaData(), sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("up", sa.Uuid), sa.Column("down", sa.dialects.postgresql.JSONB),
    ),
    follows=("up", "down"),
)  # fmt: skip
A, B, C, D = (UUID(int=n) for n in range(1, 5))


def test_what_rows_follow_is_told_by_single_keys_and_lists() -> None:
    rows = [{"id": A, "up": B, "down": None}, None, {"id": B, "up": None, "down": [str(C)]}, {}]
    assert set(CHAIN.followed(rows).values()) == {B, C}


def test_rows_are_tied_to_all_that_can_be_reached_even_in_a_circle() -> None:
    rows = Rows(CHAIN)
    rows.load([A, B, C, D], {
        A: {"id": A, "up": B, "down": None}, B: {"id": B, "up": None, "down": [str(A), str(C)]},
        C: {"id": C, "up": A, "down": None},
    })  # fmt: skip
    assert set(rows.tied_to([C]).values()) == {A, B, C}
    assert rows.tied_to([D]) == {}


async def chain(world: World, length: int = 5) -> list[UUID]:
    """Leads, each merged into the next; the first has something to lose in thirty days."""
    leads = [uuid4() for _ in range(length)]
    for number, lead in enumerate(leads):
        await world.append(world.new(world.captured(lead, email=f"{number}@example.com")))
    await world.append(world.new(world.engagement(leads[0])))
    for loser, winner in pairwise(leads):
        await world.append(world.new(LeadMerged(loser_id=loser, winner_id=winner)))
        await world.append(world.new(world.engagement(leads[0], "email_clicked")))
    return leads


@pytest.mark.parametrize("held", [0, 3, 5_000])
async def test_every_link_is_there_however_many_rows_are_held(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    monkeypatch.setattr(live, "HOLD_ROWS", held)
    monkeypatch.setattr(live, "HEAL_EVENTS", 1 if held == 0 else 2_000)
    world = await make_world(pool)
    leads = await chain(world)
    await world.append(world.new(LeadUnmerged(loser_id=leads[1], winner_id=leads[2])))
    await world.append(world.new(world.engagement(leads[0], "sms_replied")))
    await world.project()
    assert await parked_reasons(pool) == []
    async with pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT DISTINCT ON (lead_id) lead_id, engagement_score FROM lead_scores "
            "ORDER BY lead_id, revision DESC"
        )
    newest = {row["lead_id"]: row["engagement_score"] for row in rows}
    assert newest[leads[1]] == 40, "what the first did is the second's again"
    assert newest[leads[-1]] == 30, "three came by the web site"
    assert (await rebuild_of(pool).verify()).equal


@pytest.mark.parametrize("page", [1, 3])
async def test_a_rebuild_that_spills_and_its_tail_find_them_too(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(refold, "PAGE_EVENTS", page)
    monkeypatch.setattr(refold, "HOLD_ROWS", 2)
    world = await make_world(pool)
    await chain(world)
    await world.project()
    before = await indexes(pool)
    left = "CREATE INDEX crm_refold_lead_scores ON lead_scores (id)"  # by an earlier build
    await pool.execute(left)
    assert (await rebuild_of(pool).verify()).equal
    for _ in range(2):
        outcome = await rebuild_of(pool).rebuild(repair=False)
        assert outcome.swapped
        assert await indexes(pool) == before
    assert (await rebuild_of(pool).verify()).equal


async def indexes(pool: asyncpg.Pool) -> list[str]:
    """Of the live tables, as PostgreSQL spells them."""
    rows = await pool.fetch(
        "SELECT indexdef FROM pg_indexes WHERE schemaname IN ('public', 'crm_state') ORDER BY 1"
    )
    return [row["indexdef"] for row in rows]


async def test_workers_that_spill_at_once_do_not_get_in_each_others_way(
    settings: Settings, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have come to the index when the table is free for one."""
    monkeypatch.setattr(refold, "PAGE_EVENTS", 1)
    monkeypatch.setattr(refold, "HOLD_ROWS", 0)
    world = await make_world(pool, properties=12)
    for property_id in world.properties:
        await world.append(world.new(world.captured(email=None), property_id=property_id))
    await world.project()
    shards = await pool.fetch(
        "SELECT shard, max(position) FROM crm_events WHERE entity_type = 'lead' GROUP BY 1 LIMIT 2"
    )
    target = Target(LIVE, "crm_spilt", frozenset())
    async with pooled(settings, "workers", role=None) as workers, pool.acquire() as conn:
        await shadow.create(conn, LIVE.tables, target.schema)
        async with conn.transaction():
            await conn.execute("LOCK TABLE crm_spilt.leads IN ROW EXCLUSIVE MODE")
            folding = asyncio.gather(*(
                refold.refold(workers, target, refold.from_log(workers, *shard), lambda _: None)
                for shard in shards
            ))  # fmt: skip
            await until(lambda: _waiting(world, 2))
        await folding
    assert await world.count("crm_spilt.leads") >= 2


async def _waiting(world: World, count: int) -> bool:
    return await world.count("pg_locks WHERE NOT granted") >= count


@pytest.mark.parametrize("protected", [True, False])
async def test_what_is_tied_to_a_parked_lead_waits_behind_it_and_is_applied_in_order(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    """The score of a pair depends on both: while a fact of one is parked, the other waits."""
    if not protected:
        monkeypatch.setattr(Rows, "tied_to", lambda _rows, _keys: {})
    world = await make_world(pool)
    leads = await chain(world, 3)
    other, agent = uuid4(), uuid4()
    await world.append(world.new(world.captured(other, email="else@example.com")))
    booked = scheduled(uuid4(), leads[0]).model_copy(update={"created_by": agent})
    await world.append(
        world.new(booked), world.new(world.engagement(leads[2], "call_inbound")),
        world.new(world.engagement(leads[1])), world.new(world.engagement(other)),
    )  # fmt: skip
    await world.project()
    behind = ["behind", "behind"] if protected else []
    assert [reason for reason, _ in await parked_reasons(pool)] == ["database", *behind]
    async with pool.acquire() as conn:
        await conn.execute("INSERT INTO profiles (id, org_id) VALUES ($1, $2)", agent, world.org_id)
    assert (await retry_all(pool)).applied == 1 + len(behind)
    assert (await rebuild_of(pool).verify()).equal is protected
