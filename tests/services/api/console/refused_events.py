"""Examples of refused things for tests: a parked event, and a dead letter."""

import asyncio
from uuid import UUID, uuid4

import asyncpg

from projections.catalog import LIVE
from services.application.operator_requests import RequestKind, list_requests
from services.intake import redrive_requests
from services.intake.admission import Admission
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock
from services.runtime.settings import Settings
from tests.conftest import until
from tests.services.api.console.visits import Visit
from tests.services.intake.producer_records import binary_record
from tests.world import World

PATH = "/console/refused"


async def make_parked(world: World, detail: str = "no such row") -> UUID:
    """Append a lead whose first event is parked; return the id of the event."""
    lead = uuid4()
    await world.append(world.new(world.captured(lead, email=None)))
    await world.number()
    await world.engine()
    return await park_lead(world, lead, detail)


async def park_lead(world: World, lead: UUID, detail: str = "no such row") -> UUID:
    """Mark the first event of a lead as parked; return the id of the event."""
    event_id: UUID = await world.pool.fetchval(
        "INSERT INTO crm.parked "
        "(projection_group, event_id, shard, position, touches, reason, detail, behind) "
        "SELECT $1, id, shard, position, ARRAY[lead_id], 'leads', $3, false FROM crm_events "
        "WHERE lead_id = $2 ORDER BY seq LIMIT 1 RETURNING event_id",
        LIVE.name,
        lead,
        detail,
    )
    return event_id


async def make_dead_letter(world: World, source: str = "<b>web</b>") -> tuple[UUID, UUID]:
    """Let the intake refuse an activity of an unknown agent; return dead letter and profile."""
    lead, profile_id = uuid4(), uuid4()
    await world.append(world.new(world.captured(lead, email=None)))
    data = {
        "activity_id": str(uuid4()), "lead_id": str(lead), "type": "note",
        "description": "wants <i>parking</i>", "created_by": str(profile_id),
    }  # fmt: skip
    record = binary_record("activity.recorded", data, world.properties[0], source=source)
    await Admission(world.pool, IntakeSettings(), Clock()).admit([record])
    dead_letter_id: UUID = await world.pool.fetchval(
        "SELECT id FROM crm.dead_letters ORDER BY first_at DESC LIMIT 1"
    )
    return dead_letter_id, profile_id


async def read_actions(world: World) -> list[asyncpg.Record]:
    return list(await world.pool.fetch("SELECT * FROM crm.operator_actions ORDER BY acted_at"))


async def open_content(operator: Visit, dead_letter_id: UUID) -> None:
    await operator.send(f"{PATH}/dead/{dead_letter_id}/content", {"reason": "to correct it"})


async def redrive_all(visit: Visit, settings: Settings) -> None:
    """Run the intake's worker of redrives until no request is open."""
    pool, stop = visit.site.world.pool, asyncio.Event()
    redriving = asyncio.create_task(
        redrive_requests.redrive_requested(settings, IntakeSettings(), pool, stop)
    )

    async def is_done() -> bool:
        async with pool.acquire() as conn:
            kinds = [RequestKind.REDRIVE, RequestKind.PREVIEW_REDRIVE]
            return not any(request.is_open for request in await list_requests(conn, kinds))

    await until(is_done)
    stop.set()
    await redriving


async def read_state(world: World) -> list[list[asyncpg.Record]]:
    return [
        list(await world.pool.fetch(query))
        for query in ("SELECT * FROM crm.checkpoints ORDER BY shard", "SELECT * FROM crm.parked",
                      "SELECT * FROM leads", "SELECT * FROM crm.operator_requests")
    ]  # fmt: skip
