"""Erasures while a host column refuses erased values: refused, or parked and applied later."""

from uuid import UUID

import asyncpg

from projections.catalog import LIVE
from projections.engine.batch import WriterIdentity
from projections.engine.retry import find_shards_with_parked, retry_parked
from services.privacy.erasure_completion import complete_erasures
from services.privacy.erasures import list_erasures
from services.runtime.host_columns import find_column_problems
from tests.services.api.site import Site
from tests.world import read_parked_reasons

REFUSE = "ALTER TABLE leads ALTER COLUMN email SET NOT NULL"
PROBLEM = "column public.leads.email is NOT NULL, and the core stores rows without a value"


async def erase(site: Site, lead_id: UUID) -> tuple[int, str]:
    response = await site.client.post(
        f"/api/privacy/leads/{lead_id}/erasure", json={"reason": "request 7"},
        headers=site.console_headers(site.admin),
    )  # fmt: skip
    return response.status_code, response.text


async def find_problems(pool: asyncpg.Pool) -> list[str]:
    async with pool.acquire() as conn:
        return [problem.problem for problem in await find_column_problems(conn)]


async def test_an_erasure_is_refused_at_once_when_a_column_refuses_it(
    site_in_process: Site, owner_pool: asyncpg.Pool
) -> None:
    """The process has just found that everything fits."""
    site = site_in_process
    lead_id = await site.create_lead()
    await site.project()
    await owner_pool.execute(REFUSE)
    status, text = await erase(site, lead_id)
    assert (status, PROBLEM in text) == (503, True)
    assert await site.world.count("crm_events WHERE event_type = 'lead.erased'") == 0


async def test_an_erasure_that_was_parked_is_applied_when_the_host_has_mended_its_column(
    site_in_process: Site, owner_pool: asyncpg.Pool
) -> None:
    site, pool = site_in_process, site_in_process.world.pool
    lead_id = await site.create_lead()
    await site.project()
    assert (await erase(site, lead_id))[0] == 202
    await owner_pool.execute(REFUSE)
    await site.world.project()
    [(_, detail)] = await read_parked_reasons(pool)
    assert "email" in detail
    assert await find_problems(pool) == [PROBLEM]
    assert [erasure.state.value for erasure in await list_erasures(pool)] == ["appended"]
    await owner_pool.execute("ALTER TABLE public.leads ALTER COLUMN email DROP NOT NULL")
    async with pool.acquire() as conn:
        shards = await find_shards_with_parked(conn, LIVE.name)
    for shard in shards:
        await retry_parked(pool, WriterIdentity(LIVE, 1), shard)
    assert await complete_erasures(pool, site.world.now) == []
    assert await site.world.count("leads WHERE email IS NULL AND first_name IS NULL") == 1
