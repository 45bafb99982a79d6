"""After a restore of an older log: erasures are applied again before anything is served."""

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
from services.runtime.key_store import require_applied_erasures
from services.runtime.settings import Settings
from tests.services.privacy.test_erasure_completion import keep_result, make_person
from tests.world import CAUSE


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
    assert await reapply_erasures(pool, harness.scope.at, CAUSE) == [lead_id]
    await require_applied_erasures(settings)
    assert len(subjects) > 1


async def test_the_destroyed_key_of_a_record_is_no_lost_erasure(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    await current_ring().destroy(pool, [uuid4()])
    await require_applied_erasures(settings)
