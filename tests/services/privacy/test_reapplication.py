"""After a restore of an older log: erasures are applied again before anything is served."""

import asyncio
from typing import cast
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.keys.errors import DataKeyMissing
from events.keys.ring import current_ring
from events.log.erasures import ErasuresLost
from services.privacy.erasure_completion import complete_erasures
from services.privacy.erasures import ErasureState, list_erasures
from services.privacy.personal_tables import count_rows
from services.privacy.reapplication import reapply_erasures
from services.runtime.applied_erasures import after_erasures, require_folded_erasures
from services.runtime.clock import Clock
from services.runtime.health import Check
from services.runtime.key_store import require_applied_erasures
from services.runtime.process import OPERATOR, survive_faults
from services.runtime.settings import Settings
from tests.conftest import until
from tests.services.privacy.test_erasure_completion import keep_result, make_person
from tests.world import CAUSE, read_parked_reasons


async def restore(pool: asyncpg.Pool, lead_id: UUID) -> set[UUID]:
    """Destroy the keys of a person whose erasure the log lacks, as after a restore of the log."""
    rows = await pool.fetch(
        "SELECT DISTINCT entity_id FROM crm_events WHERE entity_type IN "
        "('lead', 'session', 'conversation') AND lead_id = $1", lead_id,
    )  # fmt: skip
    subjects = {row["entity_id"] for row in rows}
    await current_ring().destroy(pool, subjects)
    return subjects


async def test_erasures_that_a_restored_log_lacks_are_applied_again(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    harness, lead_id = await make_person(pool)
    await keep_result(pool, harness.scope.property_id)
    await require_applied_erasures(settings)
    subjects = await restore(pool, lead_id)
    with pytest.raises(ErasuresLost, match="run `crm privacy reapply`"):
        await require_applied_erasures(settings)
    with pytest.raises(DataKeyMissing):
        await harness.events_of("lead", lead_id)
    assert await reapply_erasures(pool, harness.scope.at, CAUSE) == [lead_id]
    await require_applied_erasures(settings)
    await harness.world.project()
    assert await complete_erasures(pool, harness.scope.at) == []
    [erasure] = await list_erasures(pool)
    assert erasure.state is ErasureState.COMPLETED
    assert subjects <= erasure.subjects
    assert not any(table.readable for table in await count_rows(pool, subjects))
    assert await pool.fetchval("SELECT answer = '\\x02' FROM crm.commands WHERE answer IS NOT NULL "
                               "ORDER BY answer LIMIT 1")  # fmt: skip
    assert await reapply_erasures(pool, harness.scope.at, CAUSE) == []


async def test_chats_whose_lead_the_restored_log_does_not_have_as_erased_are_erased_alone(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    """The erasure can have been that of a lead which was created after the backup."""
    harness, lead_id = await make_person(pool)
    chats = {
        row["entity_id"]
        for row in await pool.fetch(
            "SELECT DISTINCT entity_id FROM crm_events "
            "WHERE entity_type IN ('session', 'conversation') AND lead_id = $1", lead_id,
        )
    }  # fmt: skip
    await current_ring().destroy(pool, chats)
    assert set(await reapply_erasures(pool, harness.scope.at, CAUSE)) == chats
    await require_applied_erasures(settings)
    await harness.world.project()
    assert not any(table.readable for table in await count_rows(pool, chats))
    assert await complete_erasures(pool, harness.scope.at) == []
    assert {erasure.state for erasure in await list_erasures(pool)} == {ErasureState.COMPLETED}
    assert await pool.fetchval("SELECT email FROM leads WHERE id = $1", lead_id) is not None


async def test_chats_of_a_lead_that_was_erased_before_go_with_it(
    settings: Settings, pool: asyncpg.Pool, owner_pool: asyncpg.Pool
) -> None:
    harness, lead_id = await make_person(pool)
    subjects = await restore(pool, lead_id)
    assert await reapply_erasures(pool, harness.scope.at, CAUSE) == [lead_id]
    # As if the chats had been erased by a repetition of the erasure after the backup.
    await owner_pool.execute("DELETE FROM crm.erased_subjects WHERE subject_id <> $1", lead_id)
    assert lead_id in await reapply_erasures(pool, harness.scope.at, CAUSE)
    await require_applied_erasures(settings)
    assert len(subjects) > 1


async def test_a_process_that_sends_waits_until_the_tables_contain_the_erasures(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    harness, lead_id = await make_person(pool)
    stop, checks, began = asyncio.Event(), dict[str, Check](), asyncio.Event()

    async def send(*_: object) -> None:
        began.set()
        await stop.wait()

    work = after_erasures(send)
    await restore(pool, lead_id)
    with pytest.raises(ErasuresLost):
        await work(settings, stop, checks, Clock())
    await reapply_erasures(pool, harness.scope.at, CAUSE)
    process = asyncio.create_task(survive_faults(work, settings, stop, checks, Clock()))
    await until(lambda: OPERATOR in checks)
    assert "the tables lack the erasure of 3 data subjects" in str(await checks[OPERATOR]())
    assert not began.is_set()
    await harness.world.project()
    await until(began.is_set)
    stop.set()
    await process


async def test_a_lead_that_the_host_wrote_just_before_the_backup_is_erased_too(
    settings: Settings, pool: asyncpg.Pool, owner_pool: asyncpg.Pool
) -> None:
    """The log does not have it yet, and its staged change needs a key that is destroyed."""
    harness, _ = await make_person(pool)
    await owner_pool.execute(
        "SELECT crm.open_adoption(); UPDATE crm.adoption SET state = 'complete'"
    )
    host_lead = await owner_pool.fetchval(
        "INSERT INTO leads (property_id, first_name, email) VALUES ($1, 'Host', 'host@example.com')"
        " RETURNING id", harness.scope.property_id,
    )  # fmt: skip
    await current_ring().destroy(pool, [host_lead])
    with pytest.raises(ErasuresLost):
        await require_applied_erasures(settings)
    assert await reapply_erasures(pool, harness.scope.at, CAUSE) == [host_lead]
    await require_applied_erasures(settings)
    await harness.world.project()
    row = await pool.fetchrow("SELECT first_name, email FROM leads WHERE id = $1", host_lead)
    assert tuple(row or ()) == (None, None)
    assert await read_parked_reasons(pool) == []
    assert await pool.fetchval("SELECT count(*) FROM crm.staged_changes") == 0


async def test_a_lead_of_which_the_database_knows_nothing_blocks_no_start(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    """It was captured after the backup."""
    harness, _ = await make_person(pool)
    await current_ring().destroy(pool, [uuid4()])
    await require_applied_erasures(settings)
    assert await reapply_erasures(pool, harness.scope.at, CAUSE) == []
    async with pool.acquire() as conn:
        await require_folded_erasures(cast("asyncpg.Connection", conn))
