"""What a decider is, and what it says when it refuses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from events.event import Event
from events.record import Stream

C = TypeVar("C")
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Decider(Generic[C, S]):
    """Pure functions for the commands of one noun.

    `streams` are those a command reads; no stream's events may change what another's mean, for
    they are folded one stream after the other. `evolve` takes any event and never fails. `decide`
    may raise `Refused`; no events mean that there is nothing to do.
    """

    commands: tuple[type[C], ...]
    streams: Callable[[C], Sequence[Stream]]
    initial: S
    evolve: Callable[[S, Event], S]
    decide: Callable[[C, S], list[Event]]


class Refused(Exception):
    """A command is refused for good: `code` is stable, `status` is what HTTP answers."""

    def __init__(
        self, code: str, message: str, status: int = 409, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status
        self.details = dict(details or {})


class UnknownSubject(Refused):
    """What the command is about has not begun: not in this log, or not yet."""

    def __init__(self, stream: Stream) -> None:
        super().__init__("unknown_subject", f"no {stream.entity_type} {stream.entity_id}", 404)
        self.stream = stream
