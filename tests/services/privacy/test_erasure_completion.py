"""The completion of erasures: it waits for the tables, and a crash anywhere loses nothing."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.keys.errors import DataKeyMissing
from events.keys.ring import KeyRing, current_ring
from events.log import commands, read
from events.log.commands import CommandId, ResultErased
from events.privacy import LeadErasureCompleted
from events.record import Stream
from events.sessions import SessionIdentified
from services.application.command_handler import transact
from services.application.erasures import erase
from services.application.unit_of_work import UnitOfWork
from services.deciders.leads import CaptureLead, Details
from services.deciders.sessions import IdentifySession, ReceiveMessage
from services.privacy.erasure_completion import complete_erasures
from services.privacy.erasures import ErasureState, LeadErasure, list_erasures
from services.privacy.personal_tables import count_rows
from tests.services.application.workflow_harness import make_harness

EMAIL = "quokka.secret@example.com"


async def make_person(pool: asyncpg.Pool) -> tuple[Any, UUID]:
    """Return a harness with a lead that has a chat, and whose e-mail is in a kept result."""
    harness = await make_harness(pool)
    lead_id, session, conversation = await harness.create_lead(email=EMAIL), uuid4(), uuid4()
    await harness.execute(ReceiveMessage(session, conversation, uuid4(), "I am Quokka"))
    await harness.execute(IdentifySession(session, lead_id, (conversation,)))
    await harness.world.project()
    return harness, lead_id


async def forget(harness: Any, lead_id: UUID) -> None:
    async def work(uow: UnitOfWork) -> None:
        await erase(uow, lead_id, reason="request 7", by=None)

    await transact(harness.world.pool, harness.scope, work)


async def complete(harness: Any) -> list[LeadErasure]:
    return await complete_erasures(harness.world.pool, harness.scope.at)


async def keep_result(pool: asyncpg.Pool, property_id: UUID) -> CommandId:
    """Keep a result that only the e-mail address connects with the person."""
    command = CommandId(uuid4(), b"digest")
    async with pool.acquire() as conn, conn.transaction():
        assert await commands.claim(conn, command) is None
        await commands.settle(conn, command, {"contact": EMAIL}, [property_id])
    return command


async def read_state(pool: asyncpg.Pool) -> ErasureState:
    [erasure] = await list_erasures(pool)
    return erasure.state


async def test_keys_are_destroyed_when_all_tables_contain_the_erasure(pool: asyncpg.Pool) -> None:
    harness, lead_id = await make_person(pool)
    command = await keep_result(pool, harness.scope.property_id)
    await forget(harness, lead_id)
    assert await complete(harness)
    assert await read_state(pool) is ErasureState.APPENDED
    assert await pool.fetchval("SELECT count(*) FROM crm_keys.data_keys WHERE wrapped IS NULL") == 0
    await harness.world.project()
    assert await read_state(pool) is ErasureState.FOLDED
    assert await complete(harness) == []
    [erasure] = await list_erasures(pool)
    assert (erasure.state, len(erasure.subjects)) == (ErasureState.COMPLETED, 3)
    assert [
        table.readable for table in await count_rows(pool, erasure.subjects) if table.readable
    ] == []
    async with pool.acquire() as conn, conn.transaction():
        with pytest.raises(ResultErased):
            await commands.claim(conn, command)
    completed = (await harness.events_of("lead", lead_id))[-1]
    assert isinstance(completed, LeadErasureCompleted)
    assert completed.keys == 2  # the session has no personal value
    assert completed.erased_rows == {"commands": 1}


async def test_other_persons_keep_their_keys(pool: asyncpg.Pool) -> None:
    harness, lead_id = await make_person(pool)
    other = uuid4()
    await harness.execute(CaptureLead(other, Details(email="other@example.com")))
    await forget(harness, lead_id)
    await harness.world.project()
    await complete(harness)
    [captured] = await harness.events_of("lead", other)
    assert captured.model_dump()["email"] == "other@example.com"


@pytest.mark.parametrize("step", ["last_keys", "destroy"])
async def test_an_attempt_that_failed_is_repeated(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    harness, lead_id = await make_person(pool)
    await keep_result(pool, harness.scope.property_id)
    await forget(harness, lead_id)
    await harness.world.project()

    async def fail(*_: object) -> None:
        raise ConnectionError("the key store is away")

    with monkeypatch.context() as patch:
        patch.setattr(KeyRing, step, fail)
        with pytest.raises(ConnectionError):
            await complete(harness)
    assert await read_state(pool) is ErasureState.FOLDED
    assert await complete(harness) == []
    assert await read_state(pool) is ErasureState.COMPLETED
    completed = [
        event for event in await harness.events_of("lead", lead_id)
        if isinstance(event, LeadErasureCompleted)
    ]  # fmt: skip
    assert [event.erased_rows for event in completed] == [{"commands": 1}]


async def test_what_is_linked_to_the_person_later_is_erased_by_a_repetition(
    pool: asyncpg.Pool,
) -> None:
    harness, lead_id = await make_person(pool)
    session, conversation = uuid4(), uuid4()
    await harness.execute(ReceiveMessage(session, conversation, uuid4(), "Hello"))
    await forget(harness, lead_id)
    await harness.world.project()
    assert await complete(harness) == []
    await harness.world.append(
        harness.world.new(SessionIdentified(session_id=session, lead_id=lead_id))
    )
    await forget(harness, lead_id)
    assert [len(erasure.open_subjects) for erasure in await complete(harness)] == [2]
    await harness.world.project()
    assert await complete(harness) == []
    assert (await harness.names_of(lead_id)).count(LeadErasureCompleted.name) == 2


async def test_a_subject_without_a_key_is_recorded_as_destroyed(pool: asyncpg.Pool) -> None:
    subject = uuid4()
    assert await current_ring().destroy(pool, [subject]) == 0
    with pytest.raises(DataKeyMissing):
        await current_ring().keys_of(pool, [subject])


async def test_the_log_of_an_erased_person_stays_readable(pool: asyncpg.Pool) -> None:
    harness, lead_id = await make_person(pool)
    await forget(harness, lead_id)
    await harness.world.project()
    await complete(harness)
    async with pool.acquire() as conn:
        events = await read.streams(conn, [Stream("lead", lead_id)])
    assert events[0].event.name == "lead.captured"
    assert events[-1].actor == "erasure"
