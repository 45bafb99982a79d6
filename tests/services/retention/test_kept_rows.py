"""Retention of rows that are no events: accounts of reads, and requests of operators."""

from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest

from services.application.operator_actions import record_action
from services.application.operator_requests import RequestKind, insert_request
from services.retention import retention
from tests.world import World, make_world


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


async def read_account_ages(world: World) -> list[int]:
    rows = await world.pool.fetch(
        "SELECT extract(day FROM now() - read_at)::int FROM crm.payload_reads ORDER BY read_at DESC"
    )
    return [row[0] for row in rows]


@pytest.mark.parametrize(
    ("days", "remaining"), [(None, [365, 380, 1_090]), (370, [365]), (366, [365]),
                            (365, [365, 380, 1_090]), (0, [365, 380, 1_090])],
)  # fmt: skip
async def test_accounts_of_reads_expire_but_not_in_their_first_year(
    world: World, days: int | None, remaining: list[int]
) -> None:
    """They have the time of the database, so the present counts here."""
    await world.pool.execute(
        "UPDATE organizations SET settings = $1", {"retention": {"reads_days": days}}
    )
    await world.pool.execute(
        "INSERT INTO crm.payload_reads (org_id, reader, event_ids, read_at) "
        "SELECT $1::uuid, 'x', ARRAY[$1::uuid], now() - age * interval '1 day' "
        "FROM unnest(ARRAY[365, 380, 1090, 1100]) age",
        world.org_id,
    )
    gone, now = 4 - len(remaining), datetime.now(UTC)
    counted = await retention.apply_rules(world.pool, now, dry_run=True)
    assert (counted["payload_reads"], len(await read_account_ages(world))) == (gone, 4)
    assert (await retention.apply_rules(world.pool, now))["payload_reads"] == gone
    assert await read_account_ages(world) == remaining


async def test_ended_requests_of_operators_expire_and_their_actions_stay(world: World) -> None:
    """A request that waits is kept at any age."""
    for status, age in (("done", 100), ("failed", 100), ("done", 80), ("waiting", 100)):
        action_id = uuid4()
        async with world.pool.acquire() as conn, conn.transaction():
            await record_action(conn, action_id, uuid4(), "rebuild", {}, "a test")
            await insert_request(conn, action_id, RequestKind.REBUILD, {"names": []})
        await world.pool.execute(
            "UPDATE crm.operator_requests SET status = $2, "
            "requested_at = now() - $3 * interval '1 day', "
            "ended_at = CASE WHEN $2 <> 'waiting' THEN now() - $3 * interval '1 day' END "
            "WHERE id = $1",
            action_id, status, age,
        )  # fmt: skip
    now = datetime.now(UTC)
    one_org = await retention.apply_rules(world.pool, now, org_id=world.org_id)
    assert one_org["operator_requests"] == 0, "they belong to no organisation"
    counted = await retention.apply_rules(world.pool, now, dry_run=True)
    assert counted["operator_requests"] == 2
    assert (await retention.apply_rules(world.pool, now))["operator_requests"] == 2
    rows = await world.pool.fetch("SELECT status FROM crm.operator_requests ORDER BY status")
    assert [row["status"] for row in rows] == ["done", "waiting"]
    assert await world.count("crm.operator_actions") == 4
