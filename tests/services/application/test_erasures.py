"""Erasures on a real database: all leads of a person, their chats, runs, messages and claims."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.consents import ConsentChannel
from events.leads import LeadErased
from services.application.client_ids import resolve_session_id
from services.application.command_handler import transact
from services.application.erasures import erase
from services.application.unit_of_work import UnitOfWork
from services.deciders.consents import RecordConsent
from services.deciders.decider import Refused
from services.deciders.erasures import ErasedLead
from services.deciders.leads import CaptureLead, Details
from services.deciders.merges import MergeLeads
from services.deciders.runs import RunStatus
from services.deciders.sessions import IdentifySession, ReceiveMessage
from tests.commands import handle_command
from tests.services.application.workflow_harness import make_harness, wait
from tests.services.sender.outbox import PHONE, make_outbox

MINUTE = timedelta(minutes=1)


async def forget(harness: Any, lead_id: UUID) -> tuple[ErasedLead, ...]:
    async def work(uow: UnitOfWork) -> tuple[ErasedLead, ...]:
        return await erase(uow, lead_id, reason="request 7", by=None)

    return (await transact(harness.world.pool, harness.scope, work)).result


async def chat(harness: Any, session: UUID, content: str) -> UUID:
    conversation = uuid4()
    await harness.execute(ReceiveMessage(session, conversation, uuid4(), content))
    return conversation


async def test_an_erasure_covers_merged_leads_and_every_chat_that_they_had(
    pool: asyncpg.Pool,
) -> None:
    harness = await make_harness(pool)
    loser, winner = await harness.create_lead(), await harness.create_lead(phone="+15125550124")
    session, before = uuid4(), uuid4()
    early = await chat(harness, session, "I am Ada")
    unlinked = await chat(harness, session, "and this is my other chat")
    await harness.world.project()
    await harness.execute(IdentifySession(session, loser, (early,)))
    unprojected = await chat(harness, before, "Before")
    await harness.execute(IdentifySession(before, winner))
    later = await chat(harness, session, "Is 4B free?")
    await harness.execute(MergeLeads(loser, winner, harness.scope.at))
    erased = {lead.id: lead for lead in await forget(harness, loser)}
    assert erased.keys() == {loser, winner}
    assert erased[loser].session_ids == (session,)
    assert set(erased[loser].conversation_ids) == {early, unlinked, later}
    assert erased[winner] == ErasedLead(winner, (before,), (unprojected,))
    for lead_id in (loser, winner):
        assert (await harness.names_of(lead_id)).count(LeadErased.name) == 1
    await harness.world.project()
    texts = await pool.fetch("SELECT DISTINCT content FROM messages WHERE conversation_id = "
                             "ANY($1::uuid[])", [early, unlinked, later])  # fmt: skip
    assert [row["content"] for row in texts] == ["[erased]"]
    assert {lead.id for lead in await forget(harness, winner)} == {loser, winner}
    assert (await harness.names_of(winner)).count(LeadErased.name) == 1


async def test_the_runs_of_an_erased_person_stop(pool: asyncpg.Pool) -> None:
    harness = await make_harness(pool)
    lead_id = await harness.create_lead()
    run_id = await harness.enrol(await harness.create_workflow(wait("a")), lead_id)
    await forget(harness, lead_id)
    assert (await harness.load_run(run_id)).status is RunStatus.STOPPED
    assert (await harness.events_of("run", run_id))[-1].model_dump()["code"] == "erased"


async def test_a_planned_message_of_an_erased_person_is_skipped(pool: asyncpg.Pool) -> None:
    outbox = await make_outbox(pool)
    message = await outbox.plan(due_at=outbox.clock.now() + MINUTE)
    await forget(outbox, outbox.lead_id)
    outbox.pass_time(minutes=1)
    await outbox.send(message)
    assert await outbox.steps(message) == ["planned", "skipped erased"]
    assert outbox.sms.requests == []


@pytest.mark.parametrize("opted_out", [True, False])
async def test_an_opt_out_outlives_the_erasure(pool: asyncpg.Pool, opted_out: bool) -> None:
    outbox = await make_outbox(pool)
    at = outbox.clock.now()
    if opted_out:
        consent = RecordConsent(outbox.lead_id, ConsentChannel.SMS, False, "sms_reply", at)
        await handle_command(pool, outbox.scope, consent)
    await forget(outbox, outbox.lead_id)
    again = uuid4()
    await handle_command(pool, outbox.scope, CaptureLead(again, Details(phone=PHONE)))
    message = await outbox.plan(lead_id=again, due_at=at + MINUTE)
    outbox.pass_time(minutes=1)
    await outbox.send(message)
    assert ("skipped no_consent" in await outbox.steps(message)) is opted_out


async def test_the_address_of_an_erased_person_belongs_to_a_new_lead(pool: asyncpg.Pool) -> None:
    harness = await make_harness(pool)
    lead_id = await harness.create_lead(email="ada@example.com")
    await forget(harness, lead_id)
    again = uuid4()
    await harness.execute(CaptureLead(again, Details(email="ada@example.com")))
    assert await harness.names_of(again) == ["lead.captured"]


async def test_a_client_of_an_erased_session_must_start_a_new_one(pool: asyncpg.Pool) -> None:
    harness = await make_harness(pool)
    lead_id, session = await harness.create_lead(), uuid4()
    await chat(harness, session, "I am Ada")
    await harness.execute(IdentifySession(session, lead_id))
    await forget(harness, lead_id)  # and nothing is projected: the append has written it

    async def resolve(uow: UnitOfWork) -> UUID:
        return await resolve_session_id(uow, session)

    with pytest.raises(Refused, match="no session") as refusal:
        await transact(pool, harness.scope, resolve)
    assert (refusal.value.code, refusal.value.status) == ("not_found", 404)
