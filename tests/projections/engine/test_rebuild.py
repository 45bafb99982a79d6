"""Rebuilding and verifying on a real database."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

import asyncpg
import pytest

from events.leads import LeadNoted
from events.operations import ParkedDropped
from events.tours import TourConfirmed
from projections.catalog import LIVE
from projections.engine.outcome import Differs, Incomplete, Outcome
from projections.engine.projection import DerivedTable
from projections.engine.projection_group import ProjectionGroup
from projections.engine.rebuild import Rebuild
from projections.engine.refold import CannotFold, folding_log
from services.runtime.schema_check import differences, unguarded
from tests.replay_determinism.poison import UNKNOWN
from tests.replay_determinism.test_poison import retry_all
from tests.tours import scheduled
from tests.world import World, make_world, parked_reasons


def silent(_stage: str, _done: int, _whole: int) -> None: ...


def rebuild_of(pool: asyncpg.Pool, part: ProjectionGroup = LIVE) -> Rebuild:
    return Rebuild(pool, LIVE, part, folding_log(pool), silent)


async def make_history(pool: asyncpg.Pool) -> World:
    world = await make_world(pool, properties=3)
    for property_id in world.properties:
        lead = uuid4()
        await world.append(world.new(world.captured(lead), property_id=property_id))
        for event in world.chat(lead, messages=3):
            await world.append(world.new(event, property_id=property_id))
        world.tick(40 * 86_400)
        await world.append(world.new(world.engagement(lead), property_id=property_id))
    await world.project()
    return world


async def test_a_fresh_fold_equals_the_live_rows(pool: asyncpg.Pool) -> None:
    await make_history(pool)
    outcome = await rebuild_of(pool).verify()
    assert outcome.equal
    assert all(c.live_rows for c in outcome.comparisons if c.table in ("leads", "lead_scores"))


async def test_a_changed_row_is_named_and_not_swapped_away_unasked(pool: asyncpg.Pool) -> None:
    await make_history(pool)
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL crm.engine = 'on'")
        await conn.execute("UPDATE leads SET first_name = 'Eve'")
    outcome = await rebuild_of(pool).verify()
    (differing,) = [c for c in outcome.comparisons if not c.equal]
    assert differing.table == "leads"
    assert differing.differences[0].columns == {"first_name": ("Eve", "Ada")}
    with pytest.raises(Differs):
        await rebuild_of(pool).rebuild(repair=False)
    await rebuild_of(pool).rebuild(repair=True)
    assert (await rebuild_of(pool).verify()).equal


@pytest.mark.parametrize("names", [["leads"], ["lead_scores"], ["messages", "tours"], None])
async def test_a_rebuilt_part_takes_the_live_place_whole(
    pool: asyncpg.Pool, names: list[str] | None
) -> None:
    world = await make_history(pool)
    before = await _schema(pool)
    part = LIVE if names is None else LIVE.only(names, LIVE.name)
    outcome = await rebuild_of(pool, part).rebuild(repair=False)
    assert outcome.swapped
    assert await _schema(pool) == before
    async with pool.acquire() as conn:
        found = [*await differences(conn), *await unguarded(conn)]  # type: ignore[arg-type]
    assert found == []
    await world.append(world.new(world.captured(uuid4(), email="new@example.com")))
    await world.project()
    assert await world.count("leads") == 4
    assert (await rebuild_of(pool).verify()).equal


async def _schema(pool: asyncpg.Pool) -> list[tuple[object, ...]]:
    """Everything that can be said of tables, indexes, constraints, triggers, policies, grants."""
    async with pool.acquire() as conn:
        rows = await conn.fetch(
            """
            SELECT 'index' AS kind, schemaname || '.' || tablename AS at, indexdef AS said
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


async def test_a_part_is_refused_while_the_build_changes_more(pool: asyncpg.Pool) -> None:
    await make_history(pool)
    newer = ProjectionGroup(
        "live", tuple(replace(p, version=p.version + 1) for p in LIVE.projections)
    )
    part = newer.only(["leads"], newer.name)
    with pytest.raises(Incomplete, match="lead_scores"):
        await Rebuild(pool, newer, part, folding_log(pool), silent).rebuild(repair=False)
    await Rebuild(pool, newer, newer, folding_log(pool), silent).rebuild(repair=False)
    async with pool.acquire() as conn:
        assert await conn.fetchval("SELECT DISTINCT version FROM crm.checkpoints") == newer.version


class RetriedMeanwhile(Rebuild):
    """What is parked is retried when the shadow is folded, or when it has been compared."""

    retry_when = "compared"

    async def _make(self, schema: str, outcome: Outcome) -> bool:
        known = await super()._make(schema, outcome)
        if self.retry_when == "folded":
            await retry_all(self.pool)
        return known

    async def _swap(self, differing: Sequence[DerivedTable]) -> None:
        if self.retry_when == "compared":
            await retry_all(self.pool)
        await super()._swap(differing)


class RetriedEarly(RetriedMeanwhile):
    retry_when = "folded"


@pytest.mark.parametrize("kind", [RetriedEarly, RetriedMeanwhile])
@pytest.mark.parametrize("dropped", [True, False])
async def test_what_is_retried_during_a_rebuild_is_in_the_rebuilt_tables_too(
    pool: asyncpg.Pool, kind: type[Rebuild], dropped: bool
) -> None:
    world, booked, agent = await make_history(pool), uuid4(), uuid4()
    lead = await pool.fetchval("SELECT id FROM leads WHERE property_id = $1", world.properties[0])
    tour = scheduled(uuid4(), lead).model_copy(update={"created_by": agent})
    await world.append(
        world.new(tour, event_id=booked), world.new(LeadNoted(lead_id=lead, note="afterwards"))
    )
    await world.project()
    assert [reason for reason, _ in await parked_reasons(pool)] == ["database", "behind"]
    if dropped:
        given_up = ParkedDropped(
            property_id=world.properties[0], dropped_event_id=booked, dropped_position=0,
            unit=LIVE.name, reason="never to be folded",
        )  # fmt: skip
        await world.append(world.new(given_up))
        await world.project()
    else:
        await pool.execute("INSERT INTO profiles (id, org_id) VALUES ($1, $2)", agent, world.org_id)
    outcome = await kind(pool, LIVE, LIVE, folding_log(pool), silent).rebuild(repair=False)
    assert outcome.swapped
    assert await parked_reasons(pool) == []
    assert await world.count("tours") == (0 if dropped else 1)
    assert await world.count("lead_activities WHERE type = 'note'") == 1
    assert (await rebuild_of(pool).verify()).equal


class RetriedByAnother(Rebuild):
    """A build that knows more has applied what is parked here."""

    async def _swap(self, differing: Sequence[DerivedTable]) -> None:
        await self.pool.execute("DELETE FROM crm.parked")
        await super()._swap(differing)


async def test_what_only_another_build_could_retry_ends_the_rebuild(pool: asyncpg.Pool) -> None:
    world = await make_history(pool)
    lead = await pool.fetchval("SELECT id FROM leads WHERE property_id = $1", world.properties[0])
    await pool.execute(UNKNOWN, uuid4(), lead, world.org_id, world.properties[0], "lead.flown", 1)
    await world.project()
    assert [reason for reason, _ in await parked_reasons(pool)] == ["unknown"]
    rebuild = RetriedByAnother(pool, LIVE, LIVE, folding_log(pool), silent)
    with pytest.raises(CannotFold, match="flown"):
        await rebuild.rebuild(repair=False)


NEW_LIFE = "UPDATE crm.log SET generation = generation + 1"


async def test_in_another_life_of_the_log_what_is_parked_stays_so_and_what_follows_it_too(
    pool: asyncpg.Pool,
) -> None:
    """The rebuild folds as far as the tables were; the live unit goes on, and parks the rest."""
    world, booked, agent = await make_history(pool), uuid4(), uuid4()
    lead = await pool.fetchval("SELECT id FROM leads WHERE property_id = $1", world.properties[0])
    tour = scheduled(booked, lead).model_copy(update={"created_by": agent})
    await world.append(world.new(tour))
    await world.project()
    await world.append(
        world.new(TourConfirmed(tour_id=booked, lead_id=lead)),
        world.new(world.engagement(uuid4())),  # nobody's, and not come to yet
    )
    await world.number()
    await pool.execute(NEW_LIFE)
    assert (await rebuild_of(pool).verify()).equal
    assert (await rebuild_of(pool).rebuild(repair=False)).swapped
    assert [reason for reason, _ in await parked_reasons(pool)] == ["database"]
    await world.project()
    reasons = [reason for reason, _ in await parked_reasons(pool)]
    assert reasons == ["database", "behind", "lead_scores"]
    await pool.execute("INSERT INTO profiles (id, org_id) VALUES ($1, $2)", agent, world.org_id)
    assert (await retry_all(pool)).applied == 2
    assert await pool.fetchval("SELECT status FROM tours") == "confirmed"
    assert (await rebuild_of(pool).verify()).equal


async def test_tables_that_were_beyond_the_log_are_rebuilt_to_its_end(pool: asyncpg.Pool) -> None:
    """As where a restore lost what they and the parked came from."""
    world = await make_history(pool)
    level = await pool.fetch("SELECT shard, position FROM crm.checkpoints ORDER BY 1")
    await pool.execute("UPDATE crm.checkpoints SET position = position + 1000")
    await pool.execute(
        "INSERT INTO crm.parked (unit, event_id, shard, position, touches, reason, detail, behind) "
        "VALUES ('live', $1, 7, 900, ARRAY[$2]::uuid[], 'leads', 'lost', false)",
        uuid4(),
        world.properties[0],
    )
    await pool.execute(NEW_LIFE)
    assert (await rebuild_of(pool).rebuild(repair=False)).swapped
    assert await pool.fetch("SELECT shard, position FROM crm.checkpoints ORDER BY 1") == level
    await world.append(world.new(world.captured(email="new@example.com")))
    await world.project()
    assert await parked_reasons(pool) == []
    assert await world.count("leads") == 4
    assert (await rebuild_of(pool).verify()).equal
