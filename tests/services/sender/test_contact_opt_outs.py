"""A number that sent STOP before a lead had it: a lead that comes later gets no SMS."""

from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from events.claims import contact_value, slug_value
from events.keys.ring import current_ring
from services.application.inbound_sms import InboundSms, receive_sms
from services.deciders.leads import CaptureLead, Details
from tests.services.sender.outbox import Outbox, make_outbox
from tests.world import make_world

NUMBER = "+12125550177"


@pytest.fixture
async def outbox(pool: asyncpg.Pool) -> Outbox:
    return await make_outbox(pool)


async def receive(outbox: Outbox, text: str, *, hours_ago: float = 0) -> int:
    at = outbox.clock.now() - timedelta(hours=hours_ago)
    sms = InboundSms(outbox.world.org_id, uuid4().hex, NUMBER, text, at)
    async with outbox.world.pool.acquire() as conn:
        return await receive_sms(conn, sms)  # type: ignore[arg-type]


async def send_to_new_lead(outbox: Outbox) -> str:
    """Create a lead with the number, send it an SMS and return the last step of the message."""
    lead = uuid4()
    await outbox.do(CaptureLead(lead, Details(first_name="Grace", phone=NUMBER)))
    message = await outbox.plan(lead_id=lead)
    await outbox.send(message)
    return (await outbox.steps(message))[-1]


async def test_an_opt_out_of_an_unknown_number_holds_for_a_later_lead(outbox: Outbox) -> None:
    assert await receive(outbox, "STOP") == 0
    assert await send_to_new_lead(outbox) == "skipped no_consent"


async def test_another_text_of_an_unknown_number_is_no_opt_out(outbox: Outbox) -> None:
    assert await receive(outbox, "Who is this?") == 0
    assert await send_to_new_lead(outbox) == "handed_over"


async def test_the_newest_decision_of_a_number_counts(outbox: Outbox) -> None:
    await receive(outbox, "STOP", hours_ago=2)
    await receive(outbox, "START", hours_ago=1)
    await receive(outbox, "STOP", hours_ago=3)
    assert await send_to_new_lead(outbox) == "handed_over"


async def test_an_opt_out_of_a_number_acts_in_its_organisation_only(
    outbox: Outbox, pool: asyncpg.Pool
) -> None:
    other = await make_world(pool)
    sms = InboundSms(other.org_id, uuid4().hex, NUMBER, "STOP", outbox.clock.now())
    async with pool.acquire() as conn:
        await receive_sms(conn, sms)  # type: ignore[arg-type]
    assert await send_to_new_lead(outbox) == "handed_over"
    assert NUMBER not in str(await pool.fetch("SELECT * FROM crm.contact_opt_outs"))


async def test_the_number_of_an_opt_out_cannot_be_guessed_without_the_key(
    outbox: Outbox, pool: asyncpg.Pool
) -> None:
    await receive(outbox, "STOP")
    key = await current_ring().contact_key(pool)
    stored = await pool.fetchval("SELECT contact FROM crm.contact_opt_outs")
    assert stored == contact_value(NUMBER, key)
    assert stored not in (slug_value(NUMBER), contact_value(NUMBER, b"0" * len(key)))
