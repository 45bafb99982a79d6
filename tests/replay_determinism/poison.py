"""Facts that no projector can fold, and the fix that some of them wait for."""

from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

from events.chat import ConversationMessageReceived, ConversationReplied
from events.engagements import EngagementRecorded, EngagementType
from events.leads import LeadUpdated
from events.operations import ParkedDropped
from events.tours import TourConfirmed
from tests.replay_determinism import tours
from tests.replay_determinism.history import Story
from tests.replay_determinism.property import House, Step

UNKNOWN = """
INSERT INTO crm_events (id, entity_type, entity_id, version, shard, event_type, schema_version,
  org_id, property_id, lead_id, occurred_at, payload, digest, actor, origin)
SELECT $1, 'lead', $2, coalesce(max(version), 0) + 1, crm.shard_of($4), $5, $6, $3, $4, $2,
  clock_timestamp(), jsonb_build_object('lead_id', $2::uuid), '', 'newer', 'live'
FROM crm_events WHERE entity_type = 'lead' AND entity_id = $2
"""
Telling = Callable[[Story, House, Step], Awaitable[None]]


async def a_name_nobody_knows(story: Story, house: House, said: Step) -> None:
    await _unknown(story, house, said, "lead.levitated", 1)


async def a_version_of_tomorrow(story: Story, house: House, said: Step) -> None:
    await _unknown(story, house, said, "lead.noted", 9)


async def a_payload_that_never_was_one(story: Story, house: House, said: Step) -> None:
    await _unknown(story, house, said, "lead.status_changed", 1)


async def a_lead_that_never_came(story: Story, house: House, said: Step) -> None:
    await story.say(house, LeadUpdated(lead_id=uuid4(), source="Google"))


async def an_engagement_of_nobody(story: Story, house: House, said: Step) -> None:
    event = EngagementRecorded(
        engagement_id=uuid4(), lead_id=uuid4(), event_type=EngagementType.PRICE_CHECK,
        score_weight=12,
    )  # fmt: skip
    await story.say(house, event)


async def a_message_said_twice(story: Story, house: House, said: Step) -> None:
    """The second breaks the primary key, and only when both are written."""
    if house.conversations:
        talk = house.conversations[said.whom % len(house.conversations)]
        what = {**talk.ids, "message_id": uuid4(), "content": "hi"}
        await story.say(house, ConversationMessageReceived(**what))
        await story.say(house, ConversationReplied(**what, epoch=0))


async def a_tour_by_a_stranger(story: Story, house: House, said: Step) -> None:
    """A foreign key breaks at the end of the transaction; what follows touches the same tour."""
    for booked in tours.book(house, said):
        stranger = booked.model_copy(update={"created_by": STRANGER})
        tour = house.tours[-1]
        await story.say(house, stranger)
        await story.say(house, TourConfirmed(tour_id=tour.id, lead_id=tour.lead_id))


STRANGER = UUID(int=0xBAD)
POISONS: dict[str, Telling] = {
    telling.__name__: telling
    for telling in (
        a_name_nobody_knows, a_version_of_tomorrow, a_payload_that_never_was_one,
        a_lead_that_never_came, an_engagement_of_nobody, a_message_said_twice,
        a_tour_by_a_stranger,
    )
}  # fmt: skip


async def tell(story: Story, history: list[Step]) -> None:
    """As `Story.tell`, poisonous steps included."""
    for said in history:
        if said.what in POISONS:
            house = story.houses[said.house]
            house.clock(said.when)
            await POISONS[said.what](story, house, said)
        else:
            await story.tell([said])
    await story.number()


async def fix(story: Story) -> None:
    """The stranger becomes one of the host's people."""
    async with story.pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO profiles (id, org_id) VALUES ($1, $2)", STRANGER, story.org_id
        )
    await story.number()


async def drop_the_guilty(story: Story) -> int:
    """Give up, by a fact, everything that is parked for its own sake; how many that was."""
    async with story.pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT e.id, e.position, e.property_id FROM crm.parked p JOIN crm_events e "
            "ON e.id = p.event_id WHERE NOT p.behind ORDER BY e.position"
        )
    for row in rows:
        (house,) = (house for house in story.houses if house.id == row["property_id"])
        given_up = ParkedDropped(
            property_id=house.id, dropped_event_id=row["id"], dropped_position=row["position"],
            unit="live", reason="never to be folded",
        )  # fmt: skip
        await story.say(house, given_up)
    await story.number()
    return len(rows)


async def _unknown(story: Story, house: House, said: Step, name: str, version: int) -> None:
    lead_id = house.lead(said.whom)
    if lead_id is not None:
        async with story.pool.acquire() as conn:
            await conn.execute(UNKNOWN, uuid4(), lead_id, story.org_id, house.id, name, version)
