"""A realistic history of leasing, the same for the same seed: visitors, chats, tours, e-mails."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from heapq import heappop, heappush
from itertools import islice
from random import Random
from typing import NamedTuple
from uuid import UUID

from events import conversations, engagements, leads, scores, sessions, tours
from events.event import Event
from events.log.append import append_staged
from events.log.connection import Connection
from events.log.staged_changes import has_ready_changes
from events.record import Cause, NewEvent

START = datetime(2012, 1, 4, 14, tzinfo=UTC)
GAP = timedelta(minutes=8.5)
"""The time between two visitors; 60,000 events are one month."""
EVENTS_PER_VISITOR = 12
"""The average number of events for a visitor; two of five become leads and cause most of them."""
SOURCES = ("Google", "Zillow", "Referral", "Facebook Ads", "Luma chat", "Website", None)
FIRST = ("Ada", "Grace", "José", "Mei", "Oluwaseun", "Søren", "Zoë", "Ali", "Noor", "Kim")
LAST = ("Lovelace", "Hopper", "García", "Lin", "Adeyemi", "Nguyen", "O'Neill", "Kaya", "Park")
VISITOR_MESSAGES = (
    "Hi! Is the two-bedroom on the third floor still available from May?",
    "Do you allow large dogs? Mine is 30 kg and very calm.",
    "What would parking cost, and is there a place for a bike?",
    "Could I see it on Saturday, late in the morning?",
    "Thanks, that helps.",
    "Is the application fee returned if we are not accepted? We would be two adults and a child.",
)
REPLIES = (
    "Yes, unit 304 is free from the first of May. It has a balcony. Would you like to see it?",
    "Dogs are welcome; there is a deposit of $300 and $35 a month.",
    "A covered place is $120 a month. The bike room is free for tenants.",
    "Saturday at 11:00 or 11:30 would work. Which one do you prefer?",
)
ENGAGEMENT_TYPES = (
    engagements.EngagementType.EMAIL_OPENED,
    engagements.EngagementType.EMAIL_CLICKED,
    engagements.EngagementType.PRICE_CHECK,
    engagements.EngagementType.DOCUMENT_VIEWED,
    engagements.EngagementType.UNIT_FAVORITED,
    engagements.EngagementType.REPEAT_VISIT,
)
USER_AGENT = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_4 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1"
)


class Organization(NamedTuple):
    """An organisation, its properties, and an agent for each."""

    org_id: UUID
    properties: tuple[UUID, ...]
    agents: tuple[UUID, ...]


def make_organization(seed: int, properties: int) -> Organization:
    """Return the organisation of a seed."""
    rng = Random(seed)
    ids = [UUID(int=rng.getrandbits(128), version=4) for _ in range(2 * properties + 1)]
    return Organization(ids[0], tuple(ids[1 : properties + 1]), tuple(ids[properties + 1 :]))


async def insert_host_rows(conn: Connection, organization: Organization) -> None:
    """Insert the rows of the host, as the host does."""
    await conn.execute(
        "INSERT INTO organizations (id, name) VALUES ($1, 'Acme')", organization.org_id
    )
    for number, (property_id, agent) in enumerate(
        zip(organization.properties, organization.agents, strict=True)
    ):
        await conn.execute(
            "INSERT INTO properties (id, org_id, name) VALUES ($1, $2, $3)",
            property_id,
            organization.org_id,
            f"Property {number}",
        )
        await conn.execute(
            "INSERT INTO profiles (id, org_id, full_name) VALUES ($1, $2, $3)",
            agent,
            organization.org_id,
            f"Agent {number}",
        )
    while await has_ready_changes(conn):
        async with conn.transaction():
            await append_staged(conn)


def history(
    seed: int, organization: Organization, events: int, start: datetime = START
) -> Iterator[NewEvent]:
    """Yield events of all properties in the order of their instants, from `start` on."""
    count = events // EVENTS_PER_VISITOR + 50
    journeys = (
        _Journey(Random(f"{seed}/{n}"), organization, start + GAP * n).events()
        for n in range(count)
    )
    return islice(_in_order(journeys, start), events)


def _in_order(journeys: Iterable[list[NewEvent]], start: datetime) -> Iterator[NewEvent]:
    """Merge overlapping journeys by time, with only the unfinished ones in memory."""
    pending: list[tuple[datetime, UUID, NewEvent]] = []
    horizon = start
    for journey in journeys:
        for event in journey:
            heappush(pending, (event.occurred_at, event.id, event))
        horizon += GAP
        while pending and pending[0][0] < horizon:
            yield heappop(pending)[2]
    while pending:
        yield heappop(pending)[2]


def _when(event: NewEvent) -> datetime:
    return event.occurred_at


class _Journey:
    """The events of one visitor."""

    def __init__(self, rng: Random, organization: Organization, at: datetime) -> None:
        self.rng, self.now, self.organization = rng, at, organization
        chosen = rng.randrange(len(organization.properties))
        self.property_id, self.agent = organization.properties[chosen], organization.agents[chosen]
        self.new_events: list[NewEvent] = []

    def events(self) -> list[NewEvent]:
        rng = self.rng
        lead = self.new_id()
        is_lead = rng.random() < 0.4
        if is_lead and rng.random() < 0.3:
            self.capture(lead)
            conversation = None
        else:
            conversation = self.chat(lead if is_lead else None)
        if is_lead:
            self.follow_up(lead)
            if conversation and rng.random() < 0.12:
                self.take_over(conversation, lead)
            if rng.random() < 0.55:
                self.tour(lead)
            self.pass_time(lead)
        return sorted(self.new_events, key=_when)

    def chat(self, lead: UUID | None) -> UUID:
        """Add a session with a conversation; return the conversation."""
        rng, session, conversation = self.rng, self.new_id(), self.new_id()
        self.add(
            sessions.SessionStarted(
                session_id=session, visitor_hash=session.hex, user_agent=USER_AGENT,
                referrer_url="https://www.google.com/search?q=apartments+near+me",
            )
        )  # fmt: skip
        self.add(
            conversations.ConversationStarted(
                conversation_id=conversation, session_id=session,
                channel=conversations.ConversationChannel.WIDGET,
            )
        )  # fmt: skip
        identified = None
        turns = rng.randint(1, 6) if lead else rng.randint(1, 3)
        for turn in range(turns):
            self.exchange(conversation, session, identified)
            if lead and identified is None and turn >= turns // 2:
                self.capture(lead, session)
                self.add(
                    sessions.SessionIdentified(
                        session_id=session, lead_id=lead, conversation_ids=(conversation,)
                    )
                )
                identified = lead
        return conversation

    def exchange(self, conversation: UUID, session: UUID, lead: UUID | None) -> None:
        rng = self.rng
        self.add(
            conversations.ConversationMessageReceived(
                conversation_id=conversation, session_id=session, lead_id=lead,
                message_id=self.new_id(), content=rng.choice(VISITOR_MESSAGES),
            )
        )  # fmt: skip
        self.add(
            conversations.ConversationReplied(
                conversation_id=conversation, session_id=session, lead_id=lead,
                message_id=self.new_id(), content=rng.choice(REPLIES), epoch=0,
            )
        )  # fmt: skip

    def capture(self, lead: UUID, session: UUID | None = None) -> None:
        rng = self.rng
        first, last = rng.choice(FIRST), rng.choice(LAST)
        email = f"{first}.{last}.{lead.hex[-10:]}@example.com".casefold()
        fields: dict[str, object] = {
            "lead_id": lead,
            "source": rng.choice(SOURCES),
            "first_name": first,
            "session_id": session,
            "email": email,
            "email_key": email,
        }
        if rng.random() < 0.7:
            phone = f"+1{rng.randint(2_000_000_000, 9_999_999_999)}"
            fields |= {"last_name": last, "phone": phone, "phone_key": phone}
        if rng.random() < 0.5:
            fields |= {"bedrooms": str(rng.randint(0, 3)), "move_in_date": date(2026, 6, 1)}
        self.add(leads.LeadCaptured.model_validate(fields))

    def follow_up(self, lead: UUID) -> None:
        """Add engagement, contacts, a status, notes and changes of the following days."""
        rng, started = self.rng, self.now
        for _ in range(rng.randint(2, 9)):
            kind = rng.choice(ENGAGEMENT_TYPES)
            self.later(started, days=rng.expovariate(1 / 6))
            self.add(
                engagements.EngagementRecorded(
                    engagement_id=self.new_id(), lead_id=lead, event_type=kind,
                    score_weight=engagements.ENGAGEMENT_WEIGHTS[kind],
                    metadata={"campaign": "spring", "link": rng.randint(1, 9)},
                )
            )  # fmt: skip
        for _ in range(rng.randint(0, 3)):
            self.later(started, days=rng.random() * 10)
            self.add(leads.LeadContacted(lead_id=lead, channel=rng.choice(CHANNELS)))
        if rng.random() < 0.8:
            self.later(started, days=rng.random() * 5)
            self.add(
                leads.LeadStatusChanged(
                    lead_id=lead, status=leads.LeadStatus.CONTACTED,
                    previous_status=leads.LeadStatus.NEW,
                )
            )  # fmt: skip
        if rng.random() < 0.4:
            self.later(started, days=rng.random() * 8)
            note = "Wants a quiet apartment, away from the lift."
            self.add(leads.LeadNoted(lead_id=lead, note=note, noted_by=self.agent))
        if rng.random() < 0.3:
            self.later(started, days=rng.random() * 8)
            self.add(leads.LeadUpdated(lead_id=lead, bedrooms="2", notes="Two adults, one child"))
        self.now = started

    def take_over(self, conversation: UUID, lead: UUID) -> None:
        agent = self.agent
        self.add(
            conversations.ConversationTakenOver(
                conversation_id=conversation, lead_id=lead, agent_id=agent, epoch=1,
                message_id=self.new_id(), content="An agent has joined.",
            )
        )  # fmt: skip
        for _ in range(self.rng.randint(1, 3)):
            self.add(
                conversations.ConversationAnswered(
                    conversation_id=conversation, lead_id=lead, message_id=self.new_id(),
                    content=self.rng.choice(REPLIES), agent_id=agent, epoch=1,
                )
            )  # fmt: skip
        self.add(
            conversations.ConversationReleased(conversation_id=conversation, lead_id=lead, epoch=2)
        )

    def tour(self, lead: UUID) -> None:
        rng, tour, booked = self.rng, self.new_id(), self.now
        starts_at = (booked + timedelta(days=rng.randint(1, 6))).replace(hour=15, minute=0)
        when = {
            "tour_date": starts_at.date(), "tour_time": time(11), "time_zone": "America/New_York",
            "fold": 0, "starts_at": starts_at, "duration_minutes": 30,
        }  # fmt: skip
        self.add(
            tours.TourScheduled.model_validate(
                {"tour_id": tour, "lead_id": lead, "tour_type": tours.TourType.IN_PERSON,
                 "source": "widget", **when}
            )
        )  # fmt: skip
        if rng.random() < 0.2:
            moved = {"tour_id": tour, "lead_id": lead, "revision": 2, **when}
            self.add(tours.TourRescheduled.model_validate(moved))
        if rng.random() < 0.6:
            self.add(tours.TourConfirmed(tour_id=tour, lead_id=lead))
        self.later(max(starts_at, self.now), days=0.1)
        match rng.random():
            case chance if chance < 0.55:
                self.add(tours.TourCompleted(tour_id=tour, lead_id=lead))
            case chance if chance < 0.75:
                self.add(tours.TourNoShowRecorded(tour_id=tour, lead_id=lead))
                if rng.random() < 0.2:
                    self.add(
                        tours.TourNoShowCorrected(
                            tour_id=tour, lead_id=lead, status=tours.TourStatus.COMPLETED
                        )
                    )
            case _:
                self.add(tours.TourCancelled(tour_id=tour, lead_id=lead, reason="found a place"))
        self.now = booked

    def pass_time(self, lead: UUID) -> None:
        """Add the events of timers: time alone changes the score."""
        started = self.now
        for days in (1, 3, 7, 14, 31):
            self.later(started, days=days)
            self.add(scores.ScoreDue(lead_id=lead, due_at=self.now))
        self.now = started

    def later(self, since: datetime, days: float) -> None:
        self.now = since + timedelta(days=days)

    def add(self, event: Event) -> None:
        self.now += timedelta(seconds=self.rng.uniform(1, 90))
        self.new_events.append(
            NewEvent(
                self.new_id(), event, self.organization.org_id, self.property_id, self.now, CAUSE
            )
        )

    def new_id(self) -> UUID:
        """Return a UUIDv7, as the core makes them: the time first, then random bits."""
        millis = int(self.now.timestamp() * 1000)
        return UUID(int=(millis << 80) | (7 << 76) | (2 << 62) | self.rng.getrandbits(62)
                    | (self.rng.getrandbits(12) << 64))  # fmt: skip


CAUSE = Cause(actor="benchmark")
CHANNELS = (leads.ContactChannel.EMAIL, leads.ContactChannel.SMS, leads.ContactChannel.CALL)
