"""The names of the topics: one prefix, four topics."""

from typing import NamedTuple

EVENTS_SUFFIX = ".events"


class Topics(NamedTuple):
    """Topics of published events, of records from producers, of their outcomes and dead letters."""

    events: str
    intake: str
    dead_letters: str
    outcomes: str

    @classmethod
    def of(cls, prefix: str) -> "Topics":
        """Return the topics of a prefix."""
        return cls(
            f"{prefix}{EVENTS_SUFFIX}",
            f"{prefix}.intake",
            f"{prefix}.dead-letters",
            f"{prefix}.outcomes",
        )
