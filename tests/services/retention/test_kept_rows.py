"""Retention of the accounts of reads: they are evidence for a year, and expire later."""

from datetime import UTC, datetime

import asyncpg
import pytest

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
