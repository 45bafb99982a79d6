"""What one visitor does, and when: deeds in order, drawn from a seed. Pure."""

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from events.engagements import EngagementType
from services.simulation.visitors import FOLLOW_UPS, OPENINGS, Visitor, visitor

DAY_SECONDS = 86_400.0
ARRIVE_WITHIN_SECONDS = 0.5 * DAY_SECONDS
LONGEST_STORY_SECONDS = 6 * DAY_SECONDS
"""From the start until the last deed of the last visitor, at most."""
LOOKS = (
    EngagementType.EMAIL_OPENED, EngagementType.EMAIL_OPENED, EngagementType.EMAIL_CLICKED,
    EngagementType.PRICE_CHECK, EngagementType.DOCUMENT_VIEWED, EngagementType.UNIT_FAVORITED,
    EngagementType.REPEAT_VISIT, EngagementType.CALL_INBOUND, EngagementType.SMS_REPLIED,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Opens:
    """Opens the widget."""


@dataclass(frozen=True, slots=True)
class Says:
    """Says something in the chat."""

    message_id: UUID
    text: str


@dataclass(frozen=True, slots=True)
class LeavesContact:
    """Says who it is: a lead now."""


@dataclass(frozen=True, slots=True)
class Books:
    """Books a tour so many days later, at a full hour."""

    days: int
    hour: int


@dataclass(frozen=True, slots=True)
class Comes:
    """Comes to its tour, or does not."""

    there: bool


@dataclass(frozen=True, slots=True)
class Does:
    """Does something that scoring counts."""

    what: EngagementType
    number: int


@dataclass(frozen=True, slots=True)
class IsCalled:
    """Somebody of the property calls it."""


What: TypeAlias = Opens | Says | LeavesContact | Books | Comes | Does | IsCalled


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody does, so many seconds after the story's start."""

    at_seconds: float
    who: Visitor
    what: What


def stories(seed: int, leads: int, homes: int) -> Iterator[Deed]:
    """The deeds of so many visitors who become leads, and of about as many who do not, in order."""
    told = [story(visitor(seed, number, homes)) for number in range(leads * 2)]
    yield from heapq.merge(*told, key=lambda deed: deed.at_seconds)


def story(who: Visitor) -> list[Deed]:
    """What one visitor does; those with even numbers become leads."""
    chance = random.Random(f"{who.seed}/{who.number}/story")  # noqa: S311 — a story, not a secret
    at = chance.random() * ARRIVE_WITHIN_SECONDS
    deeds = [Deed(at, who, Opens())]
    for turn in range(chance.randint(1, 4)):
        at += chance.uniform(5, 90)
        text = chance.choice(FOLLOW_UPS if turn else OPENINGS)
        deeds.append(Deed(at, who, Says(who.id(f"message/{turn}"), text)))
    if who.number % 2:
        return deeds
    at += chance.uniform(5, 60)
    deeds.append(Deed(at, who, LeavesContact()))
    if chance.random() < 0.5:
        at += chance.uniform(5, 60)
        deeds.append(Deed(at, who, Says(who.id("message/last"), "When can I come and see it?")))
    deeds += _tour(chance, who, at)
    deeds += _afterwards(chance, who, at)
    return sorted(deeds, key=lambda deed: deed.at_seconds)


def _tour(chance: random.Random, who: Visitor, at: float) -> Iterator[Deed]:
    if chance.random() < 0.55:
        booked = at + chance.uniform(10, 600)
        days = chance.randint(1, 3)
        yield Deed(booked, who, Books(days, chance.randint(10, 17)))
        if chance.random() < 0.85:
            there = chance.random() < 0.7
            # Two days more than the booking says: past the tour's hour in any time zone.
            yield Deed(booked + (days + 2) * DAY_SECONDS, who, Comes(there))


def _afterwards(chance: random.Random, who: Visitor, at: float) -> Iterator[Deed]:
    for number in range(chance.randint(0, 5)):
        at += chance.uniform(600, 0.8 * DAY_SECONDS)
        yield Deed(at, who, Does(chance.choice(LOOKS), number))
    if chance.random() < 0.4:
        yield Deed(at + chance.uniform(60, 7_200), who, IsCalled())
