"""The topics by name: one prefix, three topics."""

from typing import NamedTuple


class Topics(NamedTuple):
    """What the log publishes, the door for producers, and copies of what the door refused."""

    events: str
    intake: str
    dead_letters: str

    @classmethod
    def of(cls, prefix: str) -> "Topics":
        return cls(f"{prefix}.events", f"{prefix}.intake", f"{prefix}.dead-letters")
