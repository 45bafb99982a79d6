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
from tests.replay_determinism.property import HostProperty, Step

UNKNOWN = """
INSERT INTO crm_events (id, entity_type, entity_id, version, shard, event_type, schema_version,
  org_id, property_id, lead_id, occurred_at, payload, digest, actor, origin)
SELECT $1, 'lead', $2, coalesce(max(version), 0) + 1, crm.shard_of($4), $5, $6, $3, $4, $2,
  clock_timestamp(), jsonb_build_object('lead_id', $2::uuid), '', 'newer', 'live'
FROM crm_events WHERE entity_type = 'lead' AND entity_id = $2
"""
Telling = Callable[[Story, HostProperty, Step], Awaitable[None]]


async def a_name_nobody_knows(story: Story, host_property: HostProperty, said: Step) -> None:
    await _unknown(story, host_property, said, "lead.levitated", 1)


async def a_version_of_tomorrow(story: Story, host_property: HostProperty, said: Step) -> None:
    await _unknown(story, host_property, said, "lead.noted", 9)


async def a_payload_that_never_was_one(
    story: Story, host_property: HostProperty, said: Step
) -> None:
    await _unknown(story, host_property, said, "lead.status_changed", 1)


async def a_lead_that_never_came(story: Story, host_property: HostProperty, said: Step) -> None:
    await story.say(host_property, LeadUpdated(lead_id=uuid4(), source="Google"))


async def an_engagement_of_nobody(story: Story, host_property: HostProperty, said: Step) -> None:
    event = EngagementRecorded(
        engagement_id=uuid4(), lead_id=uuid4(), event_type=EngagementType.PRICE_CHECK,
        score_weight=12,
    )  # fmt: skip
    await story.say(host_property, event)


async def a_message_said_twice(story: Story, host_property: HostProperty, said: Step) -> None:
    """The second breaks the primary key, and only when both are written."""
    if host_property.conversations:
        talk = host_property.conversations[said.whom % len(host_property.conversations)]
        what = {**talk.ids, "message_id": uuid4(), "content": "hi"}
        await story.say(host_property, ConversationMessageReceived(**what))
        await story.say(host_property, ConversationReplied(**what, epoch=0))


async def a_tour_by_a_stranger(story: Story, host_property: HostProperty, said: Step) -> None:
    """A foreign key breaks at the end of the transaction; what follows touches the same tour."""
    for booked in tours.book(host_property, said):
        stranger = booked.model_copy(update={"created_by": STRANGER})
        tour = host_property.tours[-1]
        await story.say(host_property, stranger)
        await story.say(host_property, TourConfirmed(tour_id=tour.id, lead_id=tour.lead_id))


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
            host_property = story.houses[said.host_property]
            host_property.clock(said.when)
            await POISONS[said.what](story, host_property, said)
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
        (host_property,) = (
            host_property
            for host_property in story.houses
            if host_property.id == row["property_id"]
        )
        given_up = ParkedDropped(
            property_id=host_property.id, dropped_event_id=row["id"], dropped_position=row["position"],
            unit="live", reason="never to be folded",
        )  # fmt: skip
        await story.say(host_property, given_up)
    await story.number()
    return len(rows)


async def _unknown(
    story: Story, host_property: HostProperty, said: Step, name: str, version: int
) -> None:
    lead_id = host_property.lead(said.whom)
    if lead_id is not None:
        async with story.pool.acquire() as conn:
            await conn.execute(
                UNKNOWN, uuid4(), lead_id, story.org_id, host_property.id, name, version
            )
