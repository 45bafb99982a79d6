"""SMS of one person that arrive at the same time: each acts once, and none is lost."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.runtime.settings import Settings
from tests.services.api.site import Site
from tests.services.api.sms_callbacks import PHONE, open_sms_site, send_sms
from tests.services.api.test_provider_callbacks import create_leads, read_events


@pytest.fixture
async def site(settings: Settings, pool: asyncpg.Pool) -> AsyncIterator[Site]:
    async with open_sms_site(settings, pool) as opened:
        yield opened


async def test_a_callback_that_comes_several_times_at_once_acts_once(site: Site) -> None:
    leads = await create_leads(site)
    await asyncio.gather(*(send_sms(site, "STOP", sid="SM1") for _ in range(6)))
    withdrawn = await read_events(site, "consent.withdrawn")
    assert sorted(event["lead_id"] for event in withdrawn) == sorted(leads)
    assert len(await read_events(site, "conversation.message_received")) == 1


async def test_different_sms_at_once_all_act(site: Site) -> None:
    """They write the same streams of several properties, in one order: no deadlock."""
    leads = await create_leads(site)
    texts = ["STOP", "START", "Do you take dogs?", "HELP", "stop texting me", "STOP"]
    await asyncio.gather(*(
        send_sms(site, text, sid=f"SM{number}") for number, text in enumerate(texts)
    ))  # fmt: skip
    received = await read_events(site, "conversation.message_received")
    assert sorted(event["payload"]["content"] for event in received) == sorted(texts)
    decided = await read_events(site, "consent.withdrawn", "consent.given")
    assert {event["lead_id"] for event in decided} == set(leads)
    # The newest decision of every lead is the same: a decision acts on all of them or on none.
    newest = {event["lead_id"]: event["event_type"] for event in decided}
    assert len(set(newest.values())) == 1
    await site.project()


async def test_a_stop_and_a_new_lead_at_once(site: Site) -> None:
    await asyncio.gather(send_sms(site, "STOP"), site.create_lead(phone=PHONE))
    assert len(await read_events(site, "lead.captured")) == 1
