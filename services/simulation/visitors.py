"""Simulated visitors and their chat messages, the same for the same seed."""

import random
from dataclasses import dataclass
from uuid import UUID, uuid5

_NAMESPACE = UUID("b5f0a2de-64b4-5b0e-9d0a-6e0d3c2f7a11")
FIRST_NAMES = (
    "Ada", "Ben", "Carla", "Dev", "Elif", "Farah", "George", "Hana", "Ivan", "Jo", "Kofi", "Lena",
    "Mei", "Nadia", "Omar", "Priya", "Quinn", "Rosa", "Sven", "Tara", "Uma", "Vera", "Will", "Zoë",
)  # fmt: skip
LAST_NAMES = (
    "Adams", "Baker", "Chen", "Diaz", "Evans", "Fischer", "Garcia", "Haddad", "Ito", "Jones",
    "Khan", "Lopez", "Müller", "Nguyen", "O'Neil", "Patel", "Rossi", "Silva", "Tanaka", "Young",
)  # fmt: skip
SOURCES = (
    "Google", "Apartments.com", "Zillow", "Referral", "Facebook", "Walk-in", "Instagram",
    "LumaLeasing Widget",
)  # fmt: skip
FIRST_MESSAGES = (
    "Hi! Do you have a one bedroom for next month?", "What does a studio cost?",
    "Are dogs allowed?", "Is parking included?", "I'm moving for work, what is free in spring?",
)  # fmt: skip
LATER_MESSAGES = (
    "Great, and how long is the lease?", "Is there a gym?", "Could I see it this week?",
    "Which floor is it on?", "What about utilities?", "That's over my budget, anything smaller?",
    "Thanks, that helps a lot.",
)  # fmt: skip
_EMAIL_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz.")


@dataclass(frozen=True, slots=True)
class SimulatedVisitor:
    """One visitor of one property's web site. `property_index` is the property's index."""

    number: int
    property_index: int
    seed: int
    first_name: str
    last_name: str
    email: str
    phone: str
    source: str

    def derive_id(self, label: str) -> UUID:
        """Return the id of something that belongs to this visitor, the same in every run."""
        return uuid5(_NAMESPACE, f"{self.seed}/{self.property_index}/{self.number}/{label}")


def make_visitor(seed: int, number: int, property_count: int) -> SimulatedVisitor:
    """Return the visitor with that number; visitors are spread evenly over the properties."""
    chance = random.Random(f"{seed}/{number}/who")  # noqa: S311 — test data, not a secret
    first, last = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
    local_part = "".join(c for c in f"{first}.{last}".lower() if c in _EMAIL_CHARACTERS)
    return SimulatedVisitor(
        number, number // 2 % property_count, seed, first, last,
        email=f"{local_part}.{seed}.{number}@example.org",
        phone=f"+1212{2_000_000 + (seed * 7_919 + number) % 7_000_000}",
        source=chance.choice(SOURCES),
    )  # fmt: skip
