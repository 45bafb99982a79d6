"""The actions of simulated visitors in the order of time, drawn from a seed. Pure."""

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from events.engagements import EngagementType
from services.simulation.visitors import (
    FIRST_MESSAGES,
    LATER_MESSAGES,
    SimulatedVisitor,
    make_visitor,
)

DAY_SECONDS = 86_400.0
MAX_ARRIVAL_SECONDS = 0.5 * DAY_SECONDS
MAX_DURATION_SECONDS = 6 * DAY_SECONDS
"""The longest time from the start to the last action of the last visitor."""
ENGAGEMENTS = (
    EngagementType.EMAIL_OPENED, EngagementType.EMAIL_OPENED, EngagementType.EMAIL_CLICKED,
    EngagementType.PRICE_CHECK, EngagementType.DOCUMENT_VIEWED, EngagementType.UNIT_FAVORITED,
    EngagementType.REPEAT_VISIT, EngagementType.CALL_INBOUND, EngagementType.SMS_REPLIED,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class WidgetOpening:
    """The visitor opens the widget."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """The visitor sends a message in the chat."""

    message_id: UUID
    text: str


@dataclass(frozen=True, slots=True)
class ContactForm:
    """The visitor leaves contact details and becomes a lead."""


@dataclass(frozen=True, slots=True)
class TourBooking:
    """The lead books a tour, `days` days later at the full hour `hour`."""

    days: int
    hour: int


@dataclass(frozen=True, slots=True)
class TourAttendance:
    """The lead comes to the tour, or does not."""

    is_present: bool


@dataclass(frozen=True, slots=True)
class SimulatedEngagement:
    """The lead does something that has a score weight."""

    type: EngagementType
    number: int


@dataclass(frozen=True, slots=True)
class PhoneCall:
    """An agent of the property calls the lead."""


ActionDetail: TypeAlias = (
    WidgetOpening
    | ChatMessage
    | ContactForm
    | TourBooking
    | TourAttendance
    | SimulatedEngagement
    | PhoneCall
)


@dataclass(frozen=True, slots=True)
class Action:
    """One action of a visitor, `at_seconds` after the start of the simulation."""

    at_seconds: float
    visitor: SimulatedVisitor
    detail: ActionDetail


def generate_actions(seed: int, leads: int, property_count: int) -> Iterator[Action]:
    """Yield the actions of `leads` visitors who become leads and of as many who do not."""
    scenarios = [
        visitor_actions(make_visitor(seed, number, property_count)) for number in range(leads * 2)
    ]
    yield from heapq.merge(*scenarios, key=lambda action: action.at_seconds)


def visitor_actions(visitor: SimulatedVisitor) -> list[Action]:
    """Return the actions of one visitor; visitors with even numbers become leads."""
    chance = random.Random(f"{visitor.seed}/{visitor.number}/story")  # noqa: S311 — no secret
    at = chance.random() * MAX_ARRIVAL_SECONDS
    actions = [Action(at, visitor, WidgetOpening())]
    for turn in range(chance.randint(1, 4)):
        at += chance.uniform(5, 90)
        text = chance.choice(LATER_MESSAGES if turn else FIRST_MESSAGES)
        message_id = visitor.derive_id(f"message/{turn}")
        actions.append(Action(at, visitor, ChatMessage(message_id, text)))
    if visitor.number % 2:
        return actions
    at += chance.uniform(5, 60)
    actions.append(Action(at, visitor, ContactForm()))
    if chance.random() < 0.5:
        at += chance.uniform(5, 60)
        message = ChatMessage(visitor.derive_id("message/last"), "When can I come and see it?")
        actions.append(Action(at, visitor, message))
    actions += _tour(chance, visitor, at)
    actions += _later_actions(chance, visitor, at)
    return sorted(actions, key=lambda action: action.at_seconds)


def _tour(chance: random.Random, visitor: SimulatedVisitor, at: float) -> Iterator[Action]:
    if chance.random() < 0.55:
        booked_at = at + chance.uniform(10, 600)
        days = chance.randint(1, 3)
        yield Action(booked_at, visitor, TourBooking(days, chance.randint(10, 17)))
        if chance.random() < 0.85:
            is_present = chance.random() < 0.7
            # Two days more than the booking says: after the tour's hour in any time zone.
            attended_at = booked_at + (days + 2) * DAY_SECONDS
            yield Action(attended_at, visitor, TourAttendance(is_present))


def _later_actions(chance: random.Random, visitor: SimulatedVisitor, at: float) -> Iterator[Action]:
    for number in range(chance.randint(0, 5)):
        at += chance.uniform(600, 0.8 * DAY_SECONDS)
        yield Action(at, visitor, SimulatedEngagement(chance.choice(ENGAGEMENTS), number))
    if chance.random() < 0.4:
        yield Action(at + chance.uniform(60, 7_200), visitor, PhoneCall())
