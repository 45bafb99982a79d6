"""A reader of the code can follow a message or a record to the log: the walk has few modules."""

from uuid import uuid4

import asyncpg

from services.api.routes.chat import send_chat_message
from services.application.chat_turns import take_turn
from services.intake.admission import Admission
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock
from services.runtime.settings import Settings
from tests.services.api.site import CHAT, open_site
from tests.services.intake.producer_records import binary_record, captured, statuses
from tests.walks import MAX_MODULES, recorded_walk
from tests.world import make_world


async def test_a_message_of_a_chat_passes_few_modules(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    async with open_site(settings, pool) as site:
        body = {"message": "Is it quiet?", "sessionId": str(uuid4())}
        for _ in range(2):  # a new chat, and one that the process remembers
            with recorded_walk(take_turn) as modules:
                await site.client.post(CHAT, headers=site.widget_headers(), json=body)
            modules.add(send_chat_message.__module__)
            assert len(modules) <= MAX_MODULES, "\n".join(sorted(modules))


async def test_a_decided_record_passes_few_modules(pool: asyncpg.Pool) -> None:
    world, admission = await make_world(pool), Admission(pool, IntakeSettings(), Clock())
    lead, property_id = uuid4(), world.properties[0]
    await admission.admit([binary_record("lead.captured", captured(lead), property_id)])
    data = {"lead_id": str(lead), "status": "contacted"}
    with recorded_walk(Admission.admit) as modules:
        outcomes = await admission.admit([binary_record("lead.status_changed", data, property_id)])
    assert statuses(outcomes) == ["accepted"]
    assert len(modules) <= MAX_MODULES, "\n".join(sorted(modules))
