"""Certificates: they name every place, are signed, and notice values that are readable again."""

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.privacy.certificate import NotErased, check_certificate, issue_certificate
from services.privacy.erasure_completion import complete_erasures
from services.privacy.personal_tables import PERSONAL_TABLES
from services.privacy.signature import InvalidCertificate
from tests.services.privacy.test_erasure_completion import forget, make_person


async def certify(harness: Any, lead_id: UUID) -> dict[str, Any]:
    """Erase a person and return the certificate."""
    pool = harness.world.pool
    await forget(harness, lead_id)
    await harness.world.project()
    assert await complete_erasures(pool, harness.scope.at) == []
    async with pool.acquire() as conn, conn.transaction():
        return await issue_certificate(conn, [lead_id], harness.scope.at)


async def test_a_certificate_names_every_place_and_what_was_destroyed(pool: asyncpg.Pool) -> None:
    document = await certify(*await make_person(pool))
    places = {place["place"]: place for place in document["looked_at"]}
    assert {table.live_name for table in PERSONAL_TABLES} <= places.keys()
    assert {"public.crm_events", "crm_keys.data_keys", "crm.dead_letters"} <= places.keys()
    assert places["public.messages"]["rows"] > 0
    assert document["is_unreadable"] is True
    [erasure] = document["erasures"]
    assert erasure["reason"] == "request 7"
    [destroyed] = document["destroyed"]
    assert destroyed["keys"] == 2


async def test_a_person_without_a_complete_erasure_has_no_certificate(pool: asyncpg.Pool) -> None:
    harness, lead_id = await make_person(pool)
    async with pool.acquire() as conn, conn.transaction():
        with pytest.raises(NotErased, match="not erased"):
            await issue_certificate(conn, [lead_id], harness.scope.at)
    await forget(harness, lead_id)
    async with pool.acquire() as conn, conn.transaction():
        with pytest.raises(NotErased, match="only appended"):
            await issue_certificate(conn, [lead_id], harness.scope.at)


@pytest.mark.parametrize("member", ["lead_ids", "signature"])
async def test_a_changed_certificate_is_refused(pool: asyncpg.Pool, member: str) -> None:
    document = {**await certify(*await make_person(pool)), member: []}
    async with pool.acquire() as conn, conn.transaction():
        with pytest.raises(InvalidCertificate):
            await check_certificate(conn, document)


async def check(pool: asyncpg.Pool, document: dict[str, Any]) -> tuple[list[str], list[UUID]]:
    async with pool.acquire() as conn, conn.transaction():
        places, missing = await check_certificate(conn, document)
    return [place.place for place in places], missing


RESTORED = {
    "a table": ("UPDATE messages SET content = 'I am Quokka'", ["public.messages"]),
    "a key": (
        """UPDATE crm_keys.data_keys k SET wrapped = saved.wrapped, destroyed_at = NULL,
        master_key = saved.master_key FROM saved WHERE saved.subject_id = k.subject_id""",
        ["public.crm_events", "crm_keys.data_keys"],
    ),
}
"""A restored thing → the statement that restores it, and the places that are readable again."""


@pytest.mark.parametrize("what", RESTORED)
async def test_values_that_are_readable_again_are_noticed(
    pool: asyncpg.Pool, owner_pool: asyncpg.Pool, what: str
) -> None:
    harness, lead_id = await make_person(pool)
    await owner_pool.execute("CREATE TABLE saved AS SELECT * FROM crm_keys.data_keys")
    document = await certify(harness, lead_id)
    assert await check(pool, document) == ([], [])
    statement, places = RESTORED[what]
    await owner_pool.execute(f"SET crm.engine = 'on'; {statement}; RESET crm.engine")
    assert await check(pool, document) == (places, [])


async def test_an_erasure_that_the_log_lacks_is_noticed(
    pool: asyncpg.Pool, owner_pool: asyncpg.Pool
) -> None:
    harness, lead_id = await make_person(pool)
    document = await certify(harness, lead_id)
    await owner_pool.execute("DELETE FROM crm.erased_subjects WHERE subject_id = $1", lead_id)
    assert await check(pool, document) == ([], [lead_id])
