"""Poison events, and the fix that some of them wait for."""

from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

from events.conversations import ConversationMessageReceived, ConversationReplied
from events.engagements import EngagementRecorded, EngagementType
from events.leads import LeadUpdated
from events.operations import ParkedDropped
from events.tours import TourConfirmed
from tests.replay_determinism import tours
from tests.replay_determinism.history import HistoryWriter
from tests.replay_determinism.property import HistoryStep, PropertyModel

UNKNOWN = """
INSERT INTO crm_events (id, entity_type, entity_id, version, shard, event_type, schema_version,
  org_id, property_id, lead_id, occurred_at, payload, digest, actor, origin)
SELECT $1, 'lead', $2, coalesce(max(version), 0) + 1, crm.shard_of($4), $5, $6, $3, $4, $2,
  clock_timestamp(), jsonb_build_object('lead_id', $2::uuid), '', 'newer', 'live'
FROM crm_events WHERE entity_type = 'lead' AND entity_id = $2
"""
PoisonFunction = Callable[[HistoryWriter, PropertyModel, HistoryStep], Awaitable[None]]


async def unknown_event_type(
    writer: HistoryWriter, model: PropertyModel, step: HistoryStep
) -> None:
    await _unknown(writer, model, step, "lead.levitated", 1)


async def newer_event_version(
    writer: HistoryWriter, model: PropertyModel, step: HistoryStep
) -> None:
    await _unknown(writer, model, step, "lead.noted", 9)


async def invalid_payload(writer: HistoryWriter, model: PropertyModel, step: HistoryStep) -> None:
    await _unknown(writer, model, step, "lead.status_changed", 1)


async def update_of_missing_lead(
    writer: HistoryWriter, model: PropertyModel, step: HistoryStep
) -> None:
    await writer.append_events(model, LeadUpdated(lead_id=uuid4(), source="Google"))


async def engagement_of_missing_lead(
    writer: HistoryWriter, model: PropertyModel, step: HistoryStep
) -> None:
    event = EngagementRecorded(
        engagement_id=uuid4(), lead_id=uuid4(), event_type=EngagementType.PRICE_CHECK,
        score_weight=12,
    )  # fmt: skip
    await writer.append_events(model, event)


async def message_id_used_twice(
    writer: HistoryWriter, model: PropertyModel, step: HistoryStep
) -> None:
    """Use a message id twice: the second row violates the primary key when both are written."""
    if model.conversations:
        conversation = model.conversations[step.target % len(model.conversations)]
        fields = {**conversation.ids, "message_id": uuid4(), "content": "hi"}
        await writer.append_events(model, ConversationMessageReceived(**fields))
        await writer.append_events(model, ConversationReplied(**fields, epoch=0))


async def tour_by_unknown_profile(
    writer: HistoryWriter, model: PropertyModel, step: HistoryStep
) -> None:
    """Refer to an unknown profile: the foreign key fails at the commit.

    The next event touches the same tour.
    """
    for scheduled in tours.book_tour(model, step):
        poison_event = scheduled.model_copy(update={"created_by": UNKNOWN_PROFILE})
        tour = model.tours[-1]
        await writer.append_events(model, poison_event)
        await writer.append_events(model, TourConfirmed(tour_id=tour.id, lead_id=tour.lead_id))


UNKNOWN_PROFILE = UUID(int=0xBAD)
POISONS: dict[str, PoisonFunction] = {
    telling.__name__: telling
    for telling in (
        unknown_event_type, newer_event_version, invalid_payload,
        update_of_missing_lead, engagement_of_missing_lead, message_id_used_twice,
        tour_by_unknown_profile,
    )
}  # fmt: skip


async def append_with_poison(writer: HistoryWriter, history: list[HistoryStep]) -> None:
    """Append steps of both kinds, and assign positions."""
    for step in history:
        if step.action in POISONS:
            model = writer.models[step.property_index]
            model.clock(step.timing)
            await POISONS[step.action](writer, model, step)
        else:
            await writer.append_steps([step])
    await writer.assign_positions()


async def fix_poison(writer: HistoryWriter) -> None:
    """Insert the unknown profile."""
    async with writer.pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO profiles (id, org_id) VALUES ($1, $2)", UNKNOWN_PROFILE, writer.org_id
        )
    await writer.assign_positions()


async def drop_poison_events(writer: HistoryWriter) -> int:
    """Drop all events that are not parked behind another one; return their number."""
    async with writer.pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT e.id, e.position, e.property_id FROM crm.parked p JOIN crm_events e "
            "ON e.id = p.event_id WHERE NOT p.behind ORDER BY e.position"
        )
    for row in rows:
        (model,) = (model for model in writer.models if model.id == row["property_id"])
        drop = ParkedDropped(
            property_id=model.id, dropped_event_id=row["id"], dropped_position=row["position"],
            unit="live", reason="it can never be applied",
        )  # fmt: skip
        await writer.append_events(model, drop)
    await writer.assign_positions()
    return len(rows)


async def _unknown(
    writer: HistoryWriter, model: PropertyModel, step: HistoryStep, name: str, version: int
) -> None:
    lead_id = model.lead(step.target)
    if lead_id is not None:
        async with writer.pool.acquire() as conn:
            await conn.execute(UNKNOWN, uuid4(), lead_id, writer.org_id, model.id, name, version)
