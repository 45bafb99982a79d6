"""Examples of refused things for tests: a parked event, and a dead letter."""

from uuid import UUID, uuid4

from projections.catalog import LIVE
from services.intake.admission import Admission
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock
from tests.services.intake.producer_records import binary_record
from tests.world import World


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
