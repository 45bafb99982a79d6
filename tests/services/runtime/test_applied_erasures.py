"""Processes that run while their database is replaced by an older one: they serve and send nothing.

The erasures are lost as in `tests.services.privacy.test_reapplication`.
"""

import asyncio

import asyncpg
import pytest

from events.keys.ring import current_ring
from events.log.erasures import ErasuresLost, ErasuresNotFolded
from services.privacy.erasure_completion import complete_erasures
from services.privacy.reapplication import reapply_erasures
from services.runtime import applied_erasures
from services.runtime.applied_erasures import AppliedErasures, after_erasures
from services.runtime.clock import Clock
from services.runtime.settings import Settings
from tests.conftest import until
from tests.services.privacy.test_erasure_completion import forget, make_person
from tests.world import CAUSE

RESTORE = """
    SET crm.engine = 'on'; DELETE FROM crm.erased_subjects; DELETE FROM crm_state.erased_subjects;
    RESET crm.engine
"""
"""The statements that leave what a restore of an older backup leaves."""


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("APPLIED_SECONDS", "UNAPPLIED_SECONDS", "SENDER_SECONDS"):
        monkeypatch.setattr(applied_erasures, name, 0.02)


async def test_the_api_serves_nothing_from_a_restore_until_the_tables_have_the_erasure(
    pool: asyncpg.Pool, owner_pool: asyncpg.Pool
) -> None:
    """In normal operation it serves all the time, and the keys are destroyed after the fold."""
    harness, lead_id = await make_person(pool)
    erasures = AppliedErasures(pool)
    assert await erasures.describe_delay() is None
    await forget(harness, lead_id)
    await erasures.require()
    await harness.world.project()
    assert await complete_erasures(pool, harness.scope.at) == []
    await erasures.require()
    await owner_pool.execute(RESTORE)
    await until(erasures.describe_delay)
    with pytest.raises(ErasuresLost):
        await erasures.require()
    assert lead_id in await reapply_erasures(pool, harness.scope.at, CAUSE)
    with pytest.raises(ErasuresNotFolded):
        await erasures.require()
    assert await erasures.describe_delay() is not None
    await harness.world.project()
    await erasures.require()
    assert await erasures.describe_delay() is None


async def test_the_api_serves_nothing_after_keys_are_destroyed_again_until_the_fold(
    pool: asyncpg.Pool,
) -> None:
    """If the key store was restored too, only certificates know the erasure."""
    harness, lead_id = await make_person(pool)
    erasures = AppliedErasures(pool)
    await erasures.require()
    await forget(harness, lead_id)
    await erasures.require()
    await current_ring().destroy(pool, [lead_id])
    with pytest.raises(ErasuresNotFolded):
        await erasures.require()
    await harness.world.project()
    await erasures.require()


async def test_a_process_that_sends_stops_when_its_database_is_replaced(
    settings: Settings, pool: asyncpg.Pool, owner_pool: asyncpg.Pool
) -> None:
    harness, lead_id = await make_person(pool)
    began, ended = asyncio.Event(), asyncio.Event()

    async def send(_settings: object, stop: asyncio.Event, *_: object) -> None:
        began.set()
        await stop.wait()
        ended.set()

    await forget(harness, lead_id)
    await harness.world.project()
    assert await complete_erasures(pool, harness.scope.at) == []
    stop, work = asyncio.Event(), after_erasures(send)
    process = asyncio.ensure_future(work(settings, stop, {}, Clock()))
    await until(began.is_set)
    await owner_pool.execute("DELETE FROM crm.erased_subjects")
    with pytest.raises(ErasuresLost):
        await process
    assert ended.is_set(), "the work was stopped, and not cancelled"


async def test_a_process_that_sends_ends_when_it_is_stopped(settings: Settings) -> None:
    async def send(_settings: object, stop: asyncio.Event, *_: object) -> None:
        await stop.wait()

    stop = asyncio.Event()
    process = asyncio.ensure_future(after_erasures(send)(settings, stop, {}, Clock()))
    stop.set()
    await process
