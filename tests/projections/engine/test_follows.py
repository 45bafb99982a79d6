"""Rows that refer to other rows are loaded with them, however few rows fit in memory."""

import asyncio
from itertools import pairwise
from uuid import UUID, uuid4

import asyncpg
import pytest
import sqlalchemy as sa

from events.merges import LeadMerged, LeadUnmerged
from projections.catalog import LIVE
from projections.engine import live, projection_pipeline, shadow, shadow_fold, shard_history
from projections.engine.derived_table import DerivedTable
from projections.engine.shadow_fold import FoldTarget
from projections.engine.table_rows import TableRows
from services.runtime.database import pooled
from services.runtime.settings import Settings
from tests.conftest import until
from tests.projections.engine.test_rebuild import rebuild_of
from tests.replay_determinism.test_poison import retry_all_parked
from tests.tours import tour_scheduled
from tests.world import World, make_world, read_parked_reasons

CHAIN = DerivedTable(
    sa.Table(
        "chain", sa.MetaData(), sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("up", sa.Uuid), sa.Column("down", sa.dialects.postgresql.JSONB),
    ),
    follows=("up", "down"),
)  # fmt: skip
A, B, C, D = (UUID(int=n) for n in range(1, 5))


def test_followed_keys_are_single_keys_and_lists_of_keys() -> None:
    rows = [{"id": A, "up": B, "down": None}, None, {"id": B, "up": None, "down": [str(C)]}, {}]
    assert set(CHAIN.followed_keys(rows).values()) == {B, C}


def test_reachable_keys_end_in_a_circle_too() -> None:
    rows = TableRows(CHAIN)
    rows.load([A, B, C, D], {
        A: {"id": A, "up": B, "down": None}, B: {"id": B, "up": None, "down": [str(A), str(C)]},
        C: {"id": C, "up": A, "down": None},
    })  # fmt: skip
    assert set(rows.reachable_keys([C]).values()) == {A, B, C}
    assert rows.reachable_keys([D]) == {}


async def merge_in_a_chain(world: World, length: int = 5) -> list[UUID]:
    """Return leads, each merged into the next; engagements of the first expire after 30 days."""
    leads = [uuid4() for _ in range(length)]
    for number, lead in enumerate(leads):
        await world.append(world.new(world.captured(lead, email=f"{number}@example.com")))
    await world.append(world.new(world.engagement(leads[0])))
    for loser, winner in pairwise(leads):
        await world.append(world.new(LeadMerged(loser_id=loser, winner_id=winner)))
        await world.append(world.new(world.engagement(leads[0], "email_clicked")))
    return leads


@pytest.mark.parametrize("rows_in_memory", [0, 3, 5_000])
async def test_merged_leads_are_scored_together_however_many_rows_fit_in_memory(
    owner_pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, rows_in_memory: int
) -> None:
    monkeypatch.setattr(projection_pipeline, "HOLD_ROWS", rows_in_memory)
    monkeypatch.setattr(live, "FILL_EVENTS", 1 if rows_in_memory == 0 else 2_000)
    world = await make_world(owner_pool)
    leads = await merge_in_a_chain(world)
    await world.append(world.new(LeadUnmerged(loser_id=leads[1], winner_id=leads[2])))
    await world.append(world.new(world.engagement(leads[0], "sms_replied")))
    await world.project()
    assert await read_parked_reasons(owner_pool) == []
    async with owner_pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT DISTINCT ON (lead_id) lead_id, engagement_score FROM lead_scores "
            "ORDER BY lead_id, revision DESC"
        )
    newest = {row["lead_id"]: row["engagement_score"] for row in rows}
    assert newest[leads[1]] == 40, "the engagements of the first lead count for the second again"
    assert newest[leads[-1]] == 30, "three leads came from the web site"
    assert (await rebuild_of(owner_pool).verify()).equal


@pytest.mark.parametrize("page", [1, 3])
async def test_a_rebuild_that_spills_rows_finds_merged_leads_too(
    owner_pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(shard_history, "PAGE_EVENTS", page)
    monkeypatch.setattr(shadow_fold, "HOLD_ROWS", 2)
    world = await make_world(owner_pool)
    await merge_in_a_chain(world)
    await world.project()
    before = await read_indexes(owner_pool)
    left_index = "CREATE INDEX crm_shadow_lead_scores ON lead_scores (id)"  # by an earlier build
    await owner_pool.execute(left_index)
    assert (await rebuild_of(owner_pool).verify()).equal
    for _ in range(2):
        outcome = await rebuild_of(owner_pool).rebuild(repair=False)
        assert outcome.swapped
        assert await read_indexes(owner_pool) == before
    assert (await rebuild_of(owner_pool).verify()).equal


async def read_indexes(owner_pool: asyncpg.Pool) -> list[str]:
    """Return the index definitions of the live tables."""
    rows = await owner_pool.fetch(
        "SELECT indexdef FROM pg_indexes WHERE schemaname IN ('public', 'crm_state') ORDER BY 1"
    )
    return [row["indexdef"] for row in rows]


async def test_workers_that_spill_at_the_same_time_create_one_key_index(
    owner_settings: Settings, owner_pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both wait for the lock of the table when they create the index."""
    monkeypatch.setattr(shard_history, "PAGE_EVENTS", 1)
    monkeypatch.setattr(shadow_fold, "HOLD_ROWS", 0)
    world = await make_world(owner_pool, properties=12)
    for property_id in world.properties:
        await world.append(world.new(world.captured(email=None), property_id=property_id))
    await world.project()
    shards = await owner_pool.fetch(
        "SELECT shard, max(position) FROM crm_events WHERE entity_type = 'lead' GROUP BY 1 LIMIT 2"
    )
    target = FoldTarget(LIVE, "crm_spilled", frozenset())
    async with (
        pooled(owner_settings, "workers", role=None) as workers,
        owner_pool.acquire() as conn,
    ):
        await shadow.create(conn, LIVE.tables, target.schema)
        async with conn.transaction():
            await conn.execute("LOCK TABLE crm_spilled.leads IN ROW EXCLUSIVE MODE")
            make_fold = asyncio.gather(*(
                shadow_fold.fold_into_shadow(
                    workers, target, shard_history.read_shard(workers, *shard), lambda _: None
                )
                for shard in shards
            ))  # fmt: skip
            await until(lambda: _are_locks_awaited(world, 2))
        await make_fold
    assert await world.count("crm_spilled.leads") >= 2


async def _are_locks_awaited(world: World, count: int) -> bool:
    return await world.count("pg_locks WHERE NOT granted") >= count


@pytest.mark.parametrize("protected", [True, False])
async def test_events_of_leads_connected_with_a_parked_one_wait_and_are_applied_in_order(
    owner_pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    """The score of merged leads depends on both: an event of one waits for a parked one."""
    if not protected:
        monkeypatch.setattr(TableRows, "reachable_keys", lambda _rows, _keys: {})
    world = await make_world(owner_pool)
    leads = await merge_in_a_chain(world, 3)
    other, agent = uuid4(), uuid4()
    await world.append(world.new(world.captured(other, email="else@example.com")))
    scheduled = tour_scheduled(uuid4(), leads[0]).model_copy(update={"created_by": agent})
    await world.append(
        world.new(scheduled), world.new(world.engagement(leads[2], "call_inbound")),
        world.new(world.engagement(leads[1])), world.new(world.engagement(other)),
    )  # fmt: skip
    await world.project()
    behind = ["behind", "behind"] if protected else []
    assert [reason for reason, _ in await read_parked_reasons(owner_pool)] == ["database", *behind]
    async with owner_pool.acquire() as conn:
        await conn.execute("INSERT INTO profiles (id, org_id) VALUES ($1, $2)", agent, world.org_id)
    assert (await retry_all_parked(owner_pool)).applied == 1 + len(behind)
    assert (await rebuild_of(owner_pool).verify()).equal is protected
