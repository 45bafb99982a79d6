"""The names of the topics: one prefix, three topics."""

from typing import NamedTuple


class Topics(NamedTuple):
    """Topics of published events, of records from producers and of copies of dead letters."""

    events: str
    intake: str
    dead_letters: str

    @classmethod
    def of(cls, prefix: str) -> "Topics":
        """Return the topics of a prefix."""
        return cls(f"{prefix}.events", f"{prefix}.intake", f"{prefix}.dead-letters")
