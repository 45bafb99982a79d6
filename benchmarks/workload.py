"""A believable month of leasing, the same for the same seed: visitors, chats, tours, mails."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from heapq import heappop, heappush
from itertools import islice
from random import Random
from typing import NamedTuple
from uuid import UUID

from events import chat, engagements, leads, tours
from events.event import Event
from events.log.connection import Connection
from events.record import Cause, NewEvent

START = datetime(2025, 1, 1, 14, tzinfo=UTC)
GAP = timedelta(minutes=8.5)
"""From one visitor to the next: more events are a longer history, of 60,000 in a month."""
EVENTS_PER_VISITOR = 12
"""About so many events a visitor brings; two of five become leads and bring most of them."""
SOURCES = ("Google", "Zillow", "Referral", "Facebook Ads", "Luma chat", "Website", None)
FIRST = ("Ada", "Grace", "José", "Mei", "Oluwaseun", "Søren", "Zoë", "Ali", "Noor", "Kim")
LAST = ("Lovelace", "Hopper", "García", "Lin", "Adeyemi", "Nguyen", "O'Neill", "Kaya", "Park")
SAID = (
    "Hi! Is the two-bedroom on the third floor still available from May?",
    "Do you allow large dogs? Mine is 30 kg and very calm.",
    "What would parking cost, and is there a place for a bike?",
    "Could I see it on Saturday, late in the morning?",
    "Thanks, that helps.",
    "Is the application fee returned if we are not accepted? We would be two adults and a child.",
)
ANSWERED = (
    "Yes, unit 304 is free from the first of May. It has a balcony. Would you like to see it?",
    "Dogs are welcome; there is a deposit of $300 and $35 a month.",
    "A covered place is $120 a month. The bike room is free for tenants.",
    "Saturday at 11:00 or 11:30 would work. Which one do you prefer?",
)
OPENED = (
    engagements.EngagementType.EMAIL_OPENED,
    engagements.EngagementType.EMAIL_CLICKED,
    engagements.EngagementType.PRICE_CHECK,
    engagements.EngagementType.DOCUMENT_VIEWED,
    engagements.EngagementType.UNIT_FAVORITED,
    engagements.EngagementType.REPEAT_VISIT,
)
AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_4 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1"


class Place(NamedTuple):
    """Where a history happens: an organisation, its properties, and an agent for each."""

    org_id: UUID
    properties: tuple[UUID, ...]
    agents: tuple[UUID, ...]


def place(seed: int, properties: int) -> Place:
    rng = Random(seed)
    ids = [UUID(int=rng.getrandbits(128), version=4) for _ in range(2 * properties + 1)]
    return Place(ids[0], tuple(ids[1 : properties + 1]), tuple(ids[properties + 1 :]))


async def furnish(conn: Connection, where: Place) -> None:
    """Write the host's rows, as the host does."""
    await conn.execute("INSERT INTO organizations (id, name) VALUES ($1, 'Acme')", where.org_id)
    for number, (property_id, agent) in enumerate(zip(where.properties, where.agents, strict=True)):
        await conn.execute(
            "INSERT INTO properties (id, org_id, name) VALUES ($1, $2, $3)",
            property_id,
            where.org_id,
            f"House {number}",
        )
        await conn.execute(
            "INSERT INTO profiles (id, org_id, full_name) VALUES ($1, $2, $3)",
            agent,
            where.org_id,
            f"Agent {number}",
        )


def history(seed: int, where: Place, events: int) -> Iterator[NewEvent]:
    """So many events in the order they happened, of all properties together."""
    count = events // EVENTS_PER_VISITOR + 50
    journeys = (
        _Journey(Random(f"{seed}/{n}"), where, START + GAP * n).events() for n in range(count)
    )
    return islice(_in_order(journeys), events)


def _in_order(journeys: Iterable[list[NewEvent]]) -> Iterator[NewEvent]:
    """Journeys begin one after the other and overlap: merged by time, without holding them all."""
    coming: list[tuple[datetime, UUID, NewEvent]] = []
    horizon = START
    for journey in journeys:
        for event in journey:
            heappush(coming, (event.occurred_at, event.id, event))
        horizon += GAP
        while coming and coming[0][0] < horizon:
            yield heappop(coming)[2]
    while coming:
        yield heappop(coming)[2]


def _when(event: NewEvent) -> datetime:
    return event.occurred_at


class _Journey:
    """One visitor: from the first look to a lease, or nowhere."""

    def __init__(self, rng: Random, where: Place, at: datetime) -> None:
        self.rng, self.now, self.where = rng, at, where
        chosen = rng.randrange(len(where.properties))
        self.property_id, self.agent = where.properties[chosen], where.agents[chosen]
        self.made: list[NewEvent] = []

    def events(self) -> list[NewEvent]:
        rng = self.rng
        lead = self.new_id()
        known = rng.random() < 0.4
        if known and rng.random() < 0.3:
            self.arrive(lead)
            conversations = ()
        else:
            conversations = self.visit(lead if known else None)
        if known:
            self.follow_up(lead)
            if conversations and rng.random() < 0.12:
                self.take_over(conversations[0], lead)
            if rng.random() < 0.55:
                self.tour(lead)
            self.pass_time(lead)
        return sorted(self.made, key=_when)

    def visit(self, lead: UUID | None) -> tuple[UUID, ...]:
        rng, session, conversation = self.rng, self.new_id(), self.new_id()
        self.say(
            chat.SessionStarted(
                session_id=session, visitor_id=f"v_{session.hex[:16]}", user_agent=AGENT,
                referrer_url="https://www.google.com/search?q=apartments+near+me",
            )
        )  # fmt: skip
        self.say(
            chat.ConversationStarted(
                conversation_id=conversation, session_id=session,
                channel=chat.ConversationChannel.WIDGET,
            )
        )  # fmt: skip
        known = None
        turns = rng.randint(1, 6) if lead else rng.randint(1, 3)
        for turn in range(turns):
            self.exchange(conversation, session, known)
            if lead and known is None and turn >= turns // 2:
                self.arrive(lead, session)
                self.say(
                    chat.SessionIdentified(
                        session_id=session, lead_id=lead, conversation_ids=(conversation,)
                    )
                )
                known = lead
        return (conversation,)

    def exchange(self, conversation: UUID, session: UUID, lead: UUID | None) -> None:
        rng = self.rng
        self.say(
            chat.ConversationMessageReceived(
                conversation_id=conversation, session_id=session, lead_id=lead,
                message_id=self.new_id(), content=rng.choice(SAID),
            )
        )  # fmt: skip
        self.say(
            chat.ConversationReplied(
                conversation_id=conversation, session_id=session, lead_id=lead,
                message_id=self.new_id(), content=rng.choice(ANSWERED), epoch=0,
            )
        )  # fmt: skip

    def arrive(self, lead: UUID, session: UUID | None = None) -> None:
        rng = self.rng
        first, last = rng.choice(FIRST), rng.choice(LAST)
        said: dict[str, object] = {
            "lead_id": lead,
            "source": rng.choice(SOURCES),
            "first_name": first,
            "session_id": session,
            "email": f"{first}.{last}.{lead.hex[-10:]}@example.com".casefold(),
        }
        if rng.random() < 0.7:
            said |= {"last_name": last, "phone": f"+1{rng.randint(2_000_000_000, 9_999_999_999)}"}
        if rng.random() < 0.5:
            said |= {"bedrooms": str(rng.randint(0, 3)), "move_in_date": date(2026, 6, 1)}
        self.say(leads.LeadCaptured.model_validate(said))

    def follow_up(self, lead: UUID) -> None:
        """What comes in the days after: mails, visits, calls, notes, a change of details."""
        rng, began = self.rng, self.now
        for _ in range(rng.randint(2, 9)):
            kind = rng.choice(OPENED)
            self.later(began, days=rng.expovariate(1 / 6))
            self.say(
                engagements.EngagementRecorded(
                    engagement_id=self.new_id(), lead_id=lead, event_type=kind,
                    score_weight=engagements.ENGAGEMENT_WEIGHTS[kind],
                    metadata={"campaign": "spring", "link": rng.randint(1, 9)},
                )
            )  # fmt: skip
        for _ in range(rng.randint(0, 3)):
            self.later(began, days=rng.random() * 10)
            self.say(leads.LeadContacted(lead_id=lead, channel=rng.choice(CHANNELS)))
        if rng.random() < 0.8:
            self.later(began, days=rng.random() * 5)
            self.say(
                leads.LeadStatusChanged(
                    lead_id=lead, status=leads.LeadStatus.CONTACTED,
                    previous_status=leads.LeadStatus.NEW,
                )
            )  # fmt: skip
        if rng.random() < 0.4:
            self.later(began, days=rng.random() * 8)
            note = "Wants a quiet unit, away from the lift."
            self.say(leads.LeadNoted(lead_id=lead, note=note, noted_by=self.agent))
        if rng.random() < 0.3:
            self.later(began, days=rng.random() * 8)
            self.say(leads.LeadUpdated(lead_id=lead, bedrooms="2", notes="Two adults, one child"))
        self.now = began

    def take_over(self, conversation: UUID, lead: UUID) -> None:
        agent = self.agent
        self.say(
            chat.ConversationTakenOver(
                conversation_id=conversation, lead_id=lead, agent_id=agent, epoch=1,
                message_id=self.new_id(), content="An agent has joined.",
            )
        )  # fmt: skip
        for _ in range(self.rng.randint(1, 3)):
            self.say(
                chat.ConversationAnswered(
                    conversation_id=conversation, lead_id=lead, message_id=self.new_id(),
                    content=self.rng.choice(ANSWERED), agent_id=agent, epoch=1,
                )
            )  # fmt: skip
        self.say(chat.ConversationReleased(conversation_id=conversation, lead_id=lead, epoch=2))

    def tour(self, lead: UUID) -> None:
        rng, tour, booked = self.rng, self.new_id(), self.now
        starts_at = (booked + timedelta(days=rng.randint(1, 6))).replace(hour=15, minute=0)
        when = {
            "tour_date": starts_at.date(), "tour_time": time(11), "time_zone": "America/New_York",
            "fold": 0, "starts_at": starts_at, "duration_minutes": 30,
        }  # fmt: skip
        self.say(
            tours.TourScheduled.model_validate(
                {"tour_id": tour, "lead_id": lead, "tour_type": tours.TourType.IN_PERSON,
                 "source": "widget", **when}
            )
        )  # fmt: skip
        if rng.random() < 0.2:
            moved = {"tour_id": tour, "lead_id": lead, "revision": 2, **when}
            self.say(tours.TourRescheduled.model_validate(moved))
        if rng.random() < 0.6:
            self.say(tours.TourConfirmed(tour_id=tour, lead_id=lead))
        self.later(max(starts_at, self.now), days=0.1)
        match rng.random():
            case chance if chance < 0.55:
                self.say(tours.TourCompleted(tour_id=tour, lead_id=lead))
            case chance if chance < 0.75:
                self.say(tours.TourNoShowRecorded(tour_id=tour, lead_id=lead))
                if rng.random() < 0.2:
                    self.say(
                        tours.TourNoShowCorrected(
                            tour_id=tour, lead_id=lead, status=tours.TourStatus.COMPLETED
                        )
                    )
            case _:
                self.say(tours.TourCancelled(tour_id=tour, lead_id=lead, reason="found a place"))
        self.now = booked

    def pass_time(self, lead: UUID) -> None:
        """The timers that say when time alone changes the score."""
        began = self.now
        for days in (1, 3, 7, 14, 31):
            self.later(began, days=days)
            self.say(engagements.ScoreDue(lead_id=lead, due_at=self.now))
        self.now = began

    def later(self, since: datetime, days: float) -> None:
        self.now = since + timedelta(days=days)

    def say(self, event: Event) -> None:
        self.now += timedelta(seconds=self.rng.uniform(1, 90))
        self.made.append(
            NewEvent(self.new_id(), event, self.where.org_id, self.property_id, self.now, CAUSE)
        )

    def new_id(self) -> UUID:
        """As the handler makes them: the time first, then chance (UUIDv7)."""
        millis = int(self.now.timestamp() * 1000)
        return UUID(int=(millis << 80) | (7 << 76) | (2 << 62) | self.rng.getrandbits(62)
                    | (self.rng.getrandbits(12) << 64))  # fmt: skip


CAUSE = Cause(actor="benchmark")
CHANNELS = (leads.ContactChannel.EMAIL, leads.ContactChannel.SMS, leads.ContactChannel.CALL)
