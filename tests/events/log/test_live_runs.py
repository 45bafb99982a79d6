"""The rows of the runs that have not ended, and the query that a move of a definition makes."""

from uuid import UUID, uuid4

import asyncpg
import pytest

from events.event import Event
from events.leads import LeadStatus
from events.log.live_runs import LIST_LIVE_RUNS, list_live_runs
from events.runs import RunCompleted, RunConverted, RunEnrolled, RunMoved, RunPaused, RunStopped
from tests.query_plans import Scan, read_scans
from tests.world import World, make_world

FLOW, LEAD = uuid4(), uuid4()


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool, properties=2)


def enrolled(run_id: UUID, definition_id: UUID = FLOW) -> RunEnrolled:
    return RunEnrolled(
        run_id=run_id, lead_id=LEAD, definition_id=definition_id, definition_version=1,
        trigger="lead_created", reentry_key="once",
    )  # fmt: skip


def moved(run_id: UUID, version: int) -> RunMoved:
    return RunMoved(run_id=run_id, lead_id=LEAD, definition_version=version, step_number=0)


def completed(run_id: UUID) -> RunCompleted:
    return RunCompleted(run_id=run_id, lead_id=LEAD)


async def append(world: World, *events: Event) -> None:
    await world.append(*(world.new(event) for event in events))


async def live_runs(world: World, except_version: int = 0) -> list[UUID]:
    async with world.pool.acquire() as conn:
        return await list_live_runs(conn, world.properties[0], FLOW, except_version=except_version)


async def test_a_run_is_live_from_its_enrolment_to_its_end(world: World) -> None:
    first, second, third, fourth = (uuid4() for _ in range(4))
    await append(world, *map(enrolled, (first, second, third, fourth)))
    await append(world, RunPaused(run_id=fourth, lead_id=LEAD))
    assert await live_runs(world) == [first, second, third, fourth]
    await append(world, completed(first), RunStopped(run_id=second, lead_id=LEAD, reason="done"))
    await append(world, RunConverted(run_id=third, lead_id=LEAD, status=LeadStatus.LEASED))
    assert await live_runs(world) == [fourth]


async def test_a_moved_run_is_listed_under_its_new_version(world: World) -> None:
    first, second = uuid4(), uuid4()
    await append(world, enrolled(first), enrolled(second), moved(second, 2))
    assert (await live_runs(world, 1), await live_runs(world, 2)) == ([second], [first])
    await append(world, moved(first, 2), moved(first, 3))
    assert (await live_runs(world, 2), await live_runs(world, 3)) == ([first], [second])


async def test_a_run_that_begins_and_ends_in_one_append_is_not_live(world: World) -> None:
    run = uuid4()
    await append(world, enrolled(run), completed(run))
    assert await live_runs(world) == []


async def test_runs_of_other_definitions_and_properties_are_not_listed(world: World) -> None:
    await append(world, enrolled(uuid4(), uuid4()))
    await world.append(world.new(enrolled(uuid4()), property_id=world.properties[1]))
    assert await live_runs(world) == []


async def test_a_repeated_append_changes_no_live_run(world: World) -> None:
    run = uuid4()
    enrolment = world.new(enrolled(run))
    await world.append(enrolment)
    await append(world, completed(run))
    await world.append(enrolment)
    assert await live_runs(world) == []


async def test_the_query_reads_the_live_runs_only(
    world: World, owner_pool: asyncpg.Pool, database_url: str
) -> None:
    """It does not grow with the ended runs of the definition, nor with other definitions."""
    live = [uuid4() for _ in range(5)]
    await append(world, *map(enrolled, live))
    for _ in range(3):
        ended, others = [uuid4() for _ in range(1_000)], [uuid4() for _ in range(1_000)]
        await append(world, *map(enrolled, ended), *(enrolled(key, uuid4()) for key in others))
        await append(world, *map(completed, ended))
        await vacuum(database_url)
        scans = await explain(world)
        assert {scan.table for scan in scans} == {"live_runs"}
        assert sum(scan.returned + scan.removed for scan in scans) == len(live)
        assert "Seq Scan" not in {scan.kind for scan in scans}
    await owner_pool.execute("DROP INDEX crm.live_runs_of_definition")
    assert sum(scan.returned + scan.removed for scan in await explain(world)) > len(live)


async def vacuum(database_url: str) -> None:
    """Use the server itself: a pool behind a pooler begins a transaction for each statement."""
    conn = await asyncpg.connect(database_url)
    try:
        await conn.execute("VACUUM ANALYZE crm.live_runs")
    finally:
        await conn.close()


async def explain(world: World) -> list[Scan]:
    async with world.pool.acquire() as conn:
        return read_scans(await conn.fetchval(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {LIST_LIVE_RUNS}", world.properties[0], FLOW, 0
        ))  # fmt: skip
