"""A model of one property: its entities and its clock, for random but plausible events."""

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
FORWARD = (
    timedelta(), TICK, timedelta(minutes=3), DAY - TICK, DAY, 3 * DAY, 7 * DAY - TICK, 7 * DAY,
    14 * DAY, 30 * DAY - TICK, 30 * DAY, 45 * DAY,
)  # fmt: skip
BACKWARD = (timedelta(hours=1), 2 * DAY, 20 * DAY, 40 * DAY)
"""Distance that the clock moves before a step, and that a step may be dated back."""

SOURCES = (
    None, "", "Google Ads", 'the "old" site', "Référral 🏠 'quoted' \\", "facebook", "META",
    "Website", "luma widget", "REFERRAL by google", "walk-in",
)  # fmt: skip
WORDS = ("Ada", "", None, 'O"Neil', "Zoë 🏡", "李", "back\\slash", "de la Cruz")


class HistoryStep(NamedTuple):
    """A step of a history.

    `action` names a step function. `property_index` and `target` select a property and an entity of
    it, and `variant` a variant of the action. `timing` is an index of `FORWARD` and `BACKWARD`.
    """

    action: str
    property_index: int
    target: int
    variant: int
    timing: int


@dataclass
class Session:
    """A session of a visitor, with its conversations."""

    id: UUID
    lead_id: UUID | None
    conversations: list["Conversation"] = field(default_factory=list)


@dataclass
class Conversation:
    """A conversation, whose lead may be identified later."""

    id: UUID
    session: Session | None
    lead_id: UUID | None
    epoch: int = 0
    messages: list[UUID] = field(default_factory=list)

    @property
    def ids(self) -> dict[str, Any]:
        """Return the id fields of its events."""
        session = self.session.id if self.session else None
        return {"conversation_id": self.id, "session_id": session, "lead_id": self.lead_id}


@dataclass
class Tour:
    """A tour with its status."""

    id: UUID
    lead_id: UUID
    status: TourStatus = TourStatus.SCHEDULED
    revision: int = 1

    @property
    def ids(self) -> dict[str, Any]:
        return {"tour_id": self.id, "lead_id": self.lead_id}


@dataclass
class PropertyModel:
    """One property with all its entities, so that a step can refer to them."""

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
    tasks: dict[UUID, UUID] = field(default_factory=dict)
    runs: list[Any] = field(default_factory=list)
    deliveries: list[Any] = field(default_factory=list)
    merged: dict[UUID, UUID] = field(default_factory=dict)
    others: dict[str, list[UUID]] = field(default_factory=dict)
    engagements: list[UUID] = field(default_factory=list)
    consents: list[UUID] = field(default_factory=list)
    host_leads: list[UUID] = field(default_factory=list)
    host_conversations: list[UUID] = field(default_factory=list)
    now: datetime = BEGIN
    numbers: "count[int]" = field(default_factory=count)

    def clock(self, timing: int) -> datetime:
        """Return the time of a step: move the clock on, or date the step back."""
        if timing >= len(FORWARD):
            return self.now - BACKWARD[(timing - len(FORWARD)) % len(BACKWARD)]
        self.now = min(self.now + FORWARD[timing], END)
        return self.now

    def agent(self, variant: int) -> UUID | None:
        """Return an agent of the property, or None."""
        return None if variant % 3 == 0 else self.agents[variant % len(self.agents)]

    def surviving_lead(self, lead_id: UUID) -> UUID:
        """Return the lead that an id stands for after all merges."""
        while lead_id in self.merged:
            lead_id = self.merged[lead_id]
        return lead_id

    def lead(self, target: int) -> UUID | None:
        return self.leads[target % len(self.leads)] if self.leads else None


def property_in(shard: int) -> UUID:
    """Return a new property id of a shard."""
    while shard_of(property_id := uuid4()) != shard:
        pass
    return property_id
