"""Rebuild, verification and swap on a real database."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

import asyncpg
import orjson
import pytest

from events.leads import LeadNoted
from events.operations import ParkedDropped
from events.tours import TourConfirmed
from projections.catalog import LIVE
from projections.engine.derived_table import DerivedTable
from projections.engine.projection_group import ProjectionGroup
from projections.engine.rebuild import Rebuild
from projections.engine.rebuild_result import IncompleteSelection, RebuildDifference, RebuildResult
from projections.engine.shadow_fold import make_log_fold
from projections.engine.shard_history import UnsupportedEvent
from services.replay.progress import show_result
from services.runtime.plan_schema import find_plan_differences
from services.runtime.schema_check import find_problems
from tests.replay_determinism.poison import UNKNOWN
from tests.replay_determinism.test_poison import retry_all_parked
from tests.tours import tour_scheduled
from tests.world import World, make_world, read_parked_reasons


def ignore_progress(_stage: str, _done: int, _total: int) -> None: ...


def rebuild_of(owner_pool: asyncpg.Pool, part: ProjectionGroup = LIVE) -> Rebuild:
    return Rebuild(owner_pool, LIVE, part, make_log_fold(owner_pool), ignore_progress)


async def make_history(owner_pool: asyncpg.Pool) -> World:
    world = await make_world(owner_pool, properties=3)
    for property_id in world.properties:
        lead = uuid4()
        await world.append(world.new(world.captured(lead), property_id=property_id))
        for event in world.chat(lead, messages=3):
            await world.append(world.new(event, property_id=property_id))
        world.tick(40 * 86_400)
        await world.append(world.new(world.engagement(lead), property_id=property_id))
    await world.project()
    return world


async def test_rebuilt_rows_equal_the_live_rows(owner_pool: asyncpg.Pool) -> None:
    await make_history(owner_pool)
    result = await rebuild_of(owner_pool).verify()
    assert result.equal
    assert all(c.live_rows for c in result.comparisons if c.table in ("leads", "lead_scores"))


async def test_a_changed_row_is_reported_and_only_a_repair_swaps_it(
    owner_pool: asyncpg.Pool,
) -> None:
    await make_history(owner_pool)
    async with owner_pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL crm.engine = 'on'")
        await conn.execute("UPDATE leads SET first_name = 'Eve'")
    result = await rebuild_of(owner_pool).verify()
    (difference,) = [c for c in result.comparisons if not c.equal]
    assert difference.table == "leads"
    assert difference.differences[0].columns == {"first_name": ("Eve", "Ada")}
    with pytest.raises(RebuildDifference):
        await rebuild_of(owner_pool).rebuild(repair=False)
    await rebuild_of(owner_pool).rebuild(repair=True)
    assert (await rebuild_of(owner_pool).verify()).equal


@pytest.mark.parametrize("names", [["leads"], ["lead_scores"], ["messages", "tours"], None])
async def test_a_swap_keeps_the_whole_schema_of_the_tables(
    owner_pool: asyncpg.Pool, names: list[str] | None
) -> None:
    world = await make_history(owner_pool)
    before = await _read_schema(owner_pool)
    part = LIVE if names is None else LIVE.subset(names, LIVE.name)
    result = await rebuild_of(owner_pool, part).rebuild(repair=False)
    assert result.swapped
    assert await _read_schema(owner_pool) == before
    async with owner_pool.acquire() as conn:
        problems = [*await find_plan_differences(conn), *await find_problems(conn)]  # type: ignore[arg-type]
    assert problems == []
    await world.append(world.new(world.captured(uuid4(), email="new@example.com")))
    await world.project()
    assert await world.count("leads") == 4
    assert (await rebuild_of(owner_pool).verify()).equal


async def _read_schema(owner_pool: asyncpg.Pool) -> list[tuple[object, ...]]:
    """Return columns, indexes, constraints, triggers, policies and grants of all tables."""
    async with owner_pool.acquire() as conn:
        rows = await conn.fetch(
            """
            SELECT 'index' AS kind, schemaname || '.' || tablename AS name, indexdef AS definition
              FROM pg_indexes WHERE schemaname IN ('public', 'crm_state')
            UNION ALL SELECT 'constraint', conrelid::regclass::text,
              conname || pg_get_constraintdef(oid) || convalidated FROM pg_constraint
              WHERE connamespace IN ('public'::regnamespace, 'crm_state'::regnamespace)
              AND contype <> 'n'
            UNION ALL SELECT 'trigger', tgrelid::regclass::text,
              pg_get_triggerdef(oid) || tgenabled::text
              FROM pg_trigger
              WHERE NOT tgisinternal AND tgrelid::regclass::text NOT LIKE 'crm_old.%'
            UNION ALL SELECT 'column', table_schema || '.' || table_name,
              column_name || data_type || coalesce(column_default, '') || is_nullable
              FROM information_schema.columns WHERE table_schema IN ('public', 'crm_state')
            UNION ALL SELECT 'policy', schemaname || '.' || tablename, policyname || permissive
              || roles::text || cmd || coalesce(qual, '') || coalesce(with_check, '')
              FROM pg_policies WHERE schemaname IN ('public', 'crm_state')
            UNION ALL SELECT 'secured', oid::regclass::text, relacl::text || relrowsecurity::text
              || relforcerowsecurity::text FROM pg_class
              WHERE relkind = 'r' AND relnamespace IN
                ('public'::regnamespace, 'crm_state'::regnamespace)
            ORDER BY 1, 2, 3
            """
        )
    return [tuple(row) for row in rows]


async def test_a_rebuild_of_some_projections_is_refused_if_others_have_new_versions(
    owner_pool: asyncpg.Pool,
) -> None:
    await make_history(owner_pool)
    newer = ProjectionGroup(
        "live", tuple(replace(p, version=p.version + 1) for p in LIVE.projections)
    )
    part = newer.subset(["leads"], newer.name)
    with pytest.raises(IncompleteSelection, match="lead_scores"):
        await Rebuild(owner_pool, newer, part, make_log_fold(owner_pool), ignore_progress).rebuild(
            repair=False
        )
    await Rebuild(owner_pool, newer, newer, make_log_fold(owner_pool), ignore_progress).rebuild(
        repair=False
    )
    async with owner_pool.acquire() as conn:
        assert await conn.fetchval("SELECT DISTINCT version FROM crm.checkpoints") == newer.version


async def test_a_first_rebuild_of_a_table_is_new_and_not_a_difference(
    owner_pool: asyncpg.Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    await make_history(owner_pool)
    before = replace(
        LIVE, projections=tuple(p for p in LIVE.projections if p.name != "lead_scores")
    )
    await owner_pool.execute("UPDATE crm.checkpoints SET version = $1", before.version)
    async with owner_pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL crm.engine = 'on'")
        await conn.execute("DELETE FROM lead_scores")
    result = await rebuild_of(owner_pool).rebuild(repair=False)
    assert result.outdated["lead_scores"] == "new"
    show_result(result, json=True)
    rows = {row["table"]: row["result"] for row in orjson.loads(capsys.readouterr().out)["tables"]}
    assert rows.pop("lead_scores") == "new"
    assert set(rows.values()) == {"live = rebuilt"}
    again = await rebuild_of(owner_pool).rebuild(repair=False)
    assert again.equal
    assert again.outdated == {}


class RetryBeforeSwap(Rebuild):
    """A rebuild during which parked events are retried, after the comparison or after the fold."""

    retry_when = "compared"

    async def _build_shadow(self, schema: str, result: RebuildResult) -> bool:
        is_comparable = await super()._build_shadow(schema, result)
        if self.retry_when == "folded":
            await retry_all_parked(self.pool)
        return is_comparable

    async def _swap(self, differing: Sequence[DerivedTable]) -> None:
        if self.retry_when == "compared":
            await retry_all_parked(self.pool)
        await super()._swap(differing)


class RetryAfterFold(RetryBeforeSwap):
    retry_when = "folded"


@pytest.mark.parametrize("kind", [RetryAfterFold, RetryBeforeSwap])
@pytest.mark.parametrize("dropped", [True, False])
async def test_events_retried_during_a_rebuild_are_in_the_rebuilt_tables(
    owner_pool: asyncpg.Pool, kind: type[Rebuild], dropped: bool
) -> None:
    world, booked, agent = await make_history(owner_pool), uuid4(), uuid4()
    lead = await owner_pool.fetchval(
        "SELECT id FROM leads WHERE property_id = $1", world.properties[0]
    )
    tour = tour_scheduled(uuid4(), lead).model_copy(update={"created_by": agent})
    await world.append(
        world.new(tour, event_id=booked), world.new(LeadNoted(lead_id=lead, note="afterwards"))
    )
    await world.project()
    assert [reason for reason, _ in await read_parked_reasons(owner_pool)] == ["database", "behind"]
    if dropped:
        drop = ParkedDropped(
            property_id=world.properties[0], dropped_event_id=booked, dropped_position=0,
            unit=LIVE.name, reason="it can never be applied",
        )  # fmt: skip
        await world.append(world.new(drop))
        await world.project()
    else:
        await owner_pool.execute(
            "INSERT INTO profiles (id, org_id) VALUES ($1, $2)", agent, world.org_id
        )
    result = await kind(owner_pool, LIVE, LIVE, make_log_fold(owner_pool), ignore_progress).rebuild(
        repair=False
    )
    assert result.swapped
    assert await read_parked_reasons(owner_pool) == []
    assert await world.count("tours") == (0 if dropped else 1)
    assert await world.count("lead_activities WHERE type = 'note'") == 1
    assert (await rebuild_of(owner_pool).verify()).equal


class RetryByNewerBuild(Rebuild):
    """A rebuild during which a newer build has applied the event that is parked here."""

    async def _swap(self, differing: Sequence[DerivedTable]) -> None:
        await self.pool.execute("DELETE FROM crm.parked")
        await super()._swap(differing)


async def test_an_event_that_only_a_newer_build_could_apply_ends_the_rebuild(
    owner_pool: asyncpg.Pool,
) -> None:
    world = await make_history(owner_pool)
    lead = await owner_pool.fetchval(
        "SELECT id FROM leads WHERE property_id = $1", world.properties[0]
    )
    await owner_pool.execute(
        UNKNOWN, uuid4(), lead, world.org_id, world.properties[0], "lead.flown", 1
    )
    await world.project()
    assert [reason for reason, _ in await read_parked_reasons(owner_pool)] == ["unknown"]
    rebuild = RetryByNewerBuild(owner_pool, LIVE, LIVE, make_log_fold(owner_pool), ignore_progress)
    with pytest.raises(UnsupportedEvent, match="flown"):
        await rebuild.rebuild(repair=False)


NEW_GENERATION = "UPDATE crm.log SET generation = generation + 1"


async def test_parked_events_stay_parked_after_a_rebuild_in_a_new_log_generation(
    owner_pool: asyncpg.Pool,
) -> None:
    """The rebuild folds up to the live positions; the live group parks the later events."""
    world, booked, agent = await make_history(owner_pool), uuid4(), uuid4()
    lead = await owner_pool.fetchval(
        "SELECT id FROM leads WHERE property_id = $1", world.properties[0]
    )
    tour = tour_scheduled(booked, lead).model_copy(update={"created_by": agent})
    await world.append(world.new(tour))
    await world.project()
    await world.append(
        world.new(TourConfirmed(tour_id=booked, lead_id=lead)),
        world.new(world.engagement(uuid4())),  # of a missing lead, not applied yet
    )
    await world.number()
    await owner_pool.execute(NEW_GENERATION)
    assert (await rebuild_of(owner_pool).verify()).equal
    assert (await rebuild_of(owner_pool).rebuild(repair=False)).swapped
    assert [reason for reason, _ in await read_parked_reasons(owner_pool)] == ["database"]
    await world.project()
    reasons = [reason for reason, _ in await read_parked_reasons(owner_pool)]
    assert reasons == ["database", "behind", "lead_scores"]
    await owner_pool.execute(
        "INSERT INTO profiles (id, org_id) VALUES ($1, $2)", agent, world.org_id
    )
    assert (await retry_all_parked(owner_pool)).applied == 2
    assert await owner_pool.fetchval("SELECT status FROM tours") == "confirmed"
    assert (await rebuild_of(owner_pool).verify()).equal


async def test_tables_beyond_the_log_are_rebuilt_to_its_end(
    owner_pool: asyncpg.Pool,
) -> None:
    """A restore has lost the events of some rows and of a parked event."""
    world = await make_history(owner_pool)
    positions = await owner_pool.fetch("SELECT shard, position FROM crm.checkpoints ORDER BY 1")
    await owner_pool.execute("UPDATE crm.checkpoints SET position = position + 1000")
    await owner_pool.execute(
        "INSERT INTO crm.parked "
        "(projection_group, event_id, shard, position, touches, reason, detail, behind) "
        "VALUES ('live', $1, 7, 900, ARRAY[$2]::uuid[], 'leads', 'lost', false)",
        uuid4(),
        world.properties[0],
    )
    await owner_pool.execute(NEW_GENERATION)
    assert (await rebuild_of(owner_pool).rebuild(repair=False)).swapped
    assert (
        await owner_pool.fetch("SELECT shard, position FROM crm.checkpoints ORDER BY 1")
        == positions
    )
    await world.append(world.new(world.captured(email="new@example.com")))
    await world.project()
    assert await read_parked_reasons(owner_pool) == []
    assert await world.count("leads") == 4
    assert (await rebuild_of(owner_pool).verify()).equal
