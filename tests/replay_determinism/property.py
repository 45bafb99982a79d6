"""A property in which anything plausible may happen next: what is known there, and its clock."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from events.log.shard import shard_of
from events.tours import TourStatus

BEGIN = datetime(2016, 1, 1, 9, 30, tzinfo=UTC)
END = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
LATER = (
    timedelta(), TICK, timedelta(minutes=3), DAY - TICK, DAY, 3 * DAY, 7 * DAY - TICK, 7 * DAY,
    14 * DAY, 30 * DAY - TICK, 30 * DAY, 45 * DAY,
)  # fmt: skip
EARLIER = (timedelta(hours=1), 2 * DAY, 20 * DAY, 40 * DAY)
"""How far the clock moves before a step, and how far back a step may be dated."""

SOURCES = (
    None, "", "Google Ads", 'the "old" site', "Référral 🏠 'quoted' \\", "facebook", "META",
    "Website", "luma widget", "REFERRAL by google", "walk-in",
)  # fmt: skip
WORDS = ("Ada", "", None, 'O"Neil', "Zoë 🏡", "李", "back\\slash", "de la Cruz")


class Step(NamedTuple):
    """One thing that happens: what, in which house, to whom, how, and when (see `LATER`)."""

    what: str
    host_property: int
    whom: int
    how: int
    when: int


@dataclass
class Session:
    """A visitor; `conversations` are those held in it."""

    id: UUID
    lead_id: UUID | None
    conversations: list["Conversation"] = field(default_factory=list)


@dataclass
class Conversation:
    """An exchange, whose lead may become known."""

    id: UUID
    session: Session | None
    lead_id: UUID | None
    epoch: int = 0
    messages: list[UUID] = field(default_factory=list)

    @property
    def ids(self) -> dict[str, Any]:
        """What each of its events says."""
        session = self.session.id if self.session else None
        return {"conversation_id": self.id, "session_id": session, "lead_id": self.lead_id}


@dataclass
class Tour:
    """A visit, and where it stands."""

    id: UUID
    lead_id: UUID
    status: TourStatus = TourStatus.SCHEDULED
    revision: int = 1

    @property
    def ids(self) -> dict[str, Any]:
        return {"tour_id": self.id, "lead_id": self.lead_id}


@dataclass
class HostProperty:
    """One property and everything known in it, so that a step can refer to what is there."""

    org_id: UUID
    id: UUID
    agents: list[UUID]
    leads: list[UUID] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    conversations: list[Conversation] = field(default_factory=list)
    tours: list[Tour] = field(default_factory=list)
    keys: list[UUID] = field(default_factory=list)
    definitions: dict[UUID, int] = field(default_factory=dict)
    templates: dict[UUID, int] = field(default_factory=dict)
    runs: list[Any] = field(default_factory=list)
    deliveries: list[Any] = field(default_factory=list)
    merged: dict[UUID, UUID] = field(default_factory=dict)
    others: dict[str, list[UUID]] = field(default_factory=dict)
    engagements: list[UUID] = field(default_factory=list)
    consents: list[UUID] = field(default_factory=list)
    hosted_leads: list[UUID] = field(default_factory=list)
    hosted_talks: list[UUID] = field(default_factory=list)
    now: datetime = BEGIN
    numbers: "count[int]" = field(default_factory=count)

    def clock(self, when: int) -> datetime:
        """When a step happens: the clock moves on, or the step is dated back."""
        if when >= len(LATER):
            return self.now - EARLIER[(when - len(LATER)) % len(EARLIER)]
        self.now = min(self.now + LATER[when], END)
        return self.now

    def agent(self, how: int) -> UUID | None:
        """One of the people who work here, or nobody."""
        return None if how % 3 == 0 else self.agents[how % len(self.agents)]

    def known_as(self, lead_id: UUID) -> UUID:
        """The lead that this one was merged into, if it was, and that one in turn."""
        while lead_id in self.merged:
            lead_id = self.merged[lead_id]
        return lead_id

    def lead(self, whom: int) -> UUID | None:
        return self.leads[whom % len(self.leads)] if self.leads else None


def property_in(shard: int) -> UUID:
    """A new property id that lies in a shard."""
    while shard_of(found := uuid4()) != shard:
        pass
    return found
