"""Requests of operators: claimed by one worker, done once, with progress, result and errors."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from projections.catalog import LIVE
from projections.engine.rebuild import SWAP_STAGE
from services.application import operator_requests, request_worker
from services.application.operator_actions import record_action
from services.application.operator_requests import (
    MAX_ATTEMPTS,
    OperatorRequest,
    RequestKind,
    cancel_request,
    claim_request,
    insert_request,
    list_requests,
    renew_request,
)
from services.application.request_worker import RequestFailed, RequestProgress, RequestWorker
from services.replay_worker.replay_worker import work
from services.runtime.clock import Clock
from services.runtime.settings import Settings
from tests.conftest import until
from tests.world import World, make_world

ALL = tuple(RequestKind)


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


async def request(pool: asyncpg.Pool, kind: RequestKind, **parameters: Any) -> UUID:
    """Store a request as the console does."""
    action_id = uuid4()
    async with pool.acquire() as conn, conn.transaction():
        await record_action(conn, action_id, uuid4(), kind.value, parameters, "a test")
        await insert_request(conn, action_id, kind, parameters)
    return action_id


async def read_requests(pool: asyncpg.Pool) -> list[OperatorRequest]:
    async with pool.acquire() as conn:
        return await list_requests(conn, ALL)


async def end_lease(pool: asyncpg.Pool) -> None:
    await pool.execute("UPDATE crm.operator_requests SET lease_until = '-infinity'")


def worker_of(pool: asyncpg.Pool, perform: request_worker.Perform) -> RequestWorker:
    return RequestWorker(pool, ALL, perform, name=f"test {uuid4()}")


async def run_until_done(settings: Settings, pool: asyncpg.Pool) -> OperatorRequest:
    """Run the replay worker until the only request has ended."""
    stop = asyncio.Event()
    task = asyncio.create_task(work(settings, stop, {}, Clock()))

    async def is_done() -> bool:
        return not (await read_requests(pool))[0].is_open

    await until(is_done)
    stop.set()
    await task
    [done] = await read_requests(pool)
    return done


async def test_a_rebuild_is_done_on_request(world: World, owner_settings: Settings) -> None:
    await world.append(world.new(world.captured()))
    await world.project()
    await request(world.pool, RequestKind.REBUILD, names=["lead_scores"])
    done = await run_until_done(owner_settings, world.pool)
    assert (done.status, done.error) == ("done", None)
    assert done.result is not None
    assert (done.result["swapped"], done.result["equal"]) == (True, True)
    rebuilt = await world.pool.fetchval(
        "SELECT rebuilt_at > now() - interval '1 minute' FROM crm.projections "
        "WHERE name = 'lead_scores'"
    )
    assert rebuilt


async def test_a_rebuild_that_finds_a_difference_swaps_nothing(
    world: World, owner_settings: Settings
) -> None:
    await world.append(world.new(world.captured()))
    await world.project()
    async with world.pool.acquire() as conn, conn.transaction():
        await conn.execute(
            "SET LOCAL crm.engine = 'on'; "
            "UPDATE leads SET source = 'changed', first_name = 'Mallory'"
        )
    await request(world.pool, RequestKind.REBUILD, names=["leads"])
    done = await run_until_done(owner_settings, world.pool)
    assert done.result is not None
    assert (done.status, done.result["equal"], done.result["swapped"]) == ("done", False, False)
    [leads] = [table for table in done.result["tables"] if table["table"] == "leads"]
    assert leads["equal"] is False
    lead_id = str(await world.pool.fetchval("SELECT id FROM leads"))
    changed = {row["column"]: (row["old"], row["key"]) for row in leads["differences"]}
    assert changed["source"] == ("changed", lead_id)
    assert changed["first_name"] == ("(personal, hidden)", lead_id)
    assert "Mallory" not in str(done.result), "no personal value is stored"


async def test_a_waiting_request_is_cancelled_at_once(world: World) -> None:
    request_id = await request(world.pool, RequestKind.REBUILD, names=[])
    async with world.pool.acquire() as conn:
        assert await cancel_request(conn, request_id)
        assert not await cancel_request(conn, request_id), "it has ended"

    async def perform(_: OperatorRequest, __: RequestProgress) -> Mapping[str, Any]:
        raise AssertionError

    assert not await worker_of(world.pool, perform).do_next()
    [ended] = await read_requests(world.pool)
    assert (ended.status, ended.is_open) == ("cancelled", False)


@pytest.mark.parametrize(
    ("stage", "status"), [("events", "cancelled"), (SWAP_STAGE, "done")], ids=["fold", "swap"]
)
async def test_running_work_is_cancelled_unless_it_swaps(
    world: World, monkeypatch: pytest.MonkeyPatch, stage: str, status: str
) -> None:
    monkeypatch.setattr(request_worker, "REPORT_SECONDS", 0.01)
    request_id = await request(world.pool, RequestKind.REBUILD, names=[])
    stopped = False

    async def perform(_: OperatorRequest, progress: RequestProgress) -> Mapping[str, Any]:
        nonlocal stopped
        progress.report(stage, 1, 2)
        async with world.pool.acquire() as conn:
            await cancel_request(conn, request_id)
        try:
            await asyncio.sleep(0.3)  # several reports of the worker
        except asyncio.CancelledError:
            stopped = True
            raise
        return {}

    await worker_of(world.pool, perform).do_next()
    [ended] = await read_requests(world.pool)
    assert (ended.status, stopped) == (status, status == "cancelled")


async def test_the_rate_and_the_time_left_are_known_after_the_first_report(world: World) -> None:
    await request(world.pool, RequestKind.REBUILD, names=[])
    async with world.pool.acquire() as conn:
        claimed = await claim_request(conn, ALL, "a worker")
        assert claimed is not None
        await renew_request(conn, claimed, "events", 0, 300)
        await conn.execute(
            "UPDATE crm.operator_requests SET stage_at = stage_at - interval '10 seconds'"
        )
        await renew_request(conn, claimed, "events", 100, 300)
    [running] = await read_requests(world.pool)
    assert running.per_second == pytest.approx(10, rel=0.2)
    assert running.seconds_left == pytest.approx(20, rel=0.2)


async def test_a_wrong_role_is_named_in_the_error(world: World, settings: Settings) -> None:
    await request(world.pool, RequestKind.VERIFY, names=[])
    done = await run_until_done(settings, world.pool)
    assert done.status == "failed"
    assert "row level security" in (done.error or "")


async def test_parked_events_are_tried_again_on_request(world: World, settings: Settings) -> None:
    await world.append(world.new(world.captured()))
    await world.number()
    await world.pool.execute(
        "INSERT INTO crm.parked "
        "(projection_group, event_id, shard, position, touches, reason, detail, behind) "
        "SELECT $1, id, shard, position, '{}', 'leads', '', false FROM crm_events "
        "WHERE event_type = 'lead.captured'",
        LIVE.name,
    )
    await world.engine()
    await request(world.pool, RequestKind.RETRY_PARKED)
    done = await run_until_done(settings, world.pool)
    assert done.result == {"applied": 1, "dropped": 0, "still_parked": 0}
    assert await world.pool.fetchval("SELECT count(*) FROM leads") == 1
    assert await world.pool.fetchval("SELECT count(*) FROM crm.parked") == 0


async def test_one_of_two_workers_does_a_request(world: World) -> None:
    await request(world.pool, RequestKind.VERIFY, names=[])
    begun: list[UUID] = []

    async def perform(claimed: OperatorRequest, _: RequestProgress) -> Mapping[str, Any]:
        begun.append(claimed.id)
        return {}

    results = await asyncio.gather(*(worker_of(world.pool, perform).do_next() for _ in range(2)))
    assert sorted(results) == [False, True]
    assert len(begun) == 1
    assert not await worker_of(world.pool, perform).do_next()


async def test_a_worker_whose_lease_has_ended_stores_no_result(world: World) -> None:
    await request(world.pool, RequestKind.VERIFY, names=[])

    async def perform_again(_: OperatorRequest, __: RequestProgress) -> Mapping[str, Any]:
        return {"by": "the second worker"}

    async def perform(_: OperatorRequest, __: RequestProgress) -> Mapping[str, Any]:
        await end_lease(world.pool)
        assert await worker_of(world.pool, perform_again).do_next()
        return {"by": "the first worker"}

    await worker_of(world.pool, perform).do_next()
    [done] = await read_requests(world.pool)
    assert done.result == {"by": "the second worker"}


async def test_an_error_is_stored_and_the_request_is_not_repeated(world: World) -> None:
    errors = [RequestFailed("give another name"), KeyError("ann@example.com")]
    for error in errors:
        await request(world.pool, RequestKind.VERIFY, names=[])

        async def perform(
            _: OperatorRequest, __: RequestProgress, error: Exception = error
        ) -> Mapping[str, Any]:
            raise error

        worker = worker_of(world.pool, perform)
        assert await worker.do_next()
        assert not await worker.do_next()
    unexpected, known = await read_requests(world.pool)
    assert (known.status, known.error) == ("failed", "give another name")
    assert (unexpected.status, "KeyError" in (unexpected.error or "")) == ("failed", True)
    assert "ann@example.com" not in (unexpected.error or "")


async def test_progress_is_stored_while_the_work_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_worker, "REPORT_SECONDS", 0.01)
    await request(world.pool, RequestKind.VERIFY, names=[])

    async def perform(_: OperatorRequest, progress: RequestProgress) -> Mapping[str, Any]:
        progress.report("events", 3, 10)

        async def is_stored() -> bool:
            [running] = await read_requests(world.pool)
            return (running.stage, running.done, running.total) == ("events", 3, 10)

        await until(is_stored)
        return {}

    assert await worker_of(world.pool, perform).do_next()


async def test_a_request_whose_worker_ends_again_and_again_fails(world: World) -> None:
    await request(world.pool, RequestKind.VERIFY, names=[])

    async def perform(_: OperatorRequest, __: RequestProgress) -> Mapping[str, Any]:
        raise ConnectionResetError

    worker = worker_of(world.pool, perform)
    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(ConnectionResetError):
            await worker.do_next()
        [running] = await read_requests(world.pool)
        assert running.status == "running"
        await end_lease(world.pool)
    assert await worker.do_next()
    [failed] = await read_requests(world.pool)
    assert failed.status == "failed"
    assert f"begun {operator_requests.MAX_ATTEMPTS} times" in (failed.error or "")
