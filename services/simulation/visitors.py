"""Who visits, and what visitors say: made up, the same for the same seed."""

import random
from dataclasses import dataclass
from uuid import UUID, uuid5

_NAMESPACE = UUID("b5f0a2de-64b4-5b0e-9d0a-6e0d3c2f7a11")
FIRST = (
    "Ada", "Ben", "Carla", "Dev", "Elif", "Farah", "George", "Hana", "Ivan", "Jo", "Kofi", "Lena",
    "Mei", "Nadia", "Omar", "Priya", "Quinn", "Rosa", "Sven", "Tara", "Uma", "Vera", "Will", "Zoë",
)  # fmt: skip
LAST = (
    "Adams", "Baker", "Chen", "Diaz", "Evans", "Fischer", "Garcia", "Haddad", "Ito", "Jones",
    "Khan", "Lopez", "Müller", "Nguyen", "O'Neil", "Patel", "Rossi", "Silva", "Tanaka", "Young",
)  # fmt: skip
SOURCES = (
    "Google", "Apartments.com", "Zillow", "Referral", "Facebook", "Walk-in", "Instagram",
    "LumaLeasing Widget",
)  # fmt: skip
OPENINGS = (
    "Hi! Do you have a one bedroom for next month?", "What does a studio cost?",
    "Are dogs allowed?", "Is parking included?", "I'm moving for work, what is free in spring?",
)  # fmt: skip
FOLLOW_UPS = (
    "Great, and how long is the lease?", "Is there a gym?", "Could I see it this week?",
    "Which floor is it on?", "What about utilities?", "That's over my budget, anything smaller?",
    "Thanks, that helps a lot.",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Visitor:
    """One visitor of one property's web site; most of them never say who they are."""

    number: int
    home: int
    """Which of the properties, by number."""
    seed: int
    first_name: str
    last_name: str
    email: str
    phone: str
    source: str

    def id(self, what: str) -> UUID:
        """The id of something of this visitor's, the same in every run."""
        return uuid5(_NAMESPACE, f"{self.seed}/{self.home}/{self.number}/{what}")


def visitor(seed: int, number: int, homes: int) -> Visitor:
    """The visitor of that number; properties have their visitors in turn."""
    chance = random.Random(f"{seed}/{number}/who")  # noqa: S311 — a story, not a secret
    first, last = chance.choice(FIRST), chance.choice(LAST)
    letters = "".join(c for c in f"{first}.{last}".lower() if c.isascii() and c in _PLAIN)
    return Visitor(
        number, number // 2 % homes, seed, first, last,
        email=f"{letters}.{seed}.{number}@example.org",
        phone=f"+1212{2_000_000 + (seed * 7_919 + number) % 7_000_000}",
        source=chance.choice(SOURCES),
    )  # fmt: skip


_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz.")
