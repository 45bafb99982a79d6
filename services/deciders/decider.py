"""The shape of a decider, and the refusals with which it answers a command."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from events.event import Event
from events.record import Stream

C = TypeVar("C")
S = TypeVar("S")


def refer_to_nothing(_state: object) -> Sequence[Stream]:
    """Return no streams: the state of most deciders refers to no other entity."""
    return ()


@dataclass(frozen=True, slots=True)
class Decider(Generic[C, S]):
    """The pure functions that decide the commands of one noun.

    - `entity_type`: the stream type of the entity that `UnitOfWork.load` reads by its id;
    - `streams`: the streams that a command reads. They are folded one after the other, so no event
      of one stream may change the meaning of an event of another;
    - `evolve`: takes any event and never fails;
    - `decide`: may raise `Refused`. No events mean that there is nothing to do;
    - `references`: the streams of other entities that the state names and that are read too, such
      as the session of a conversation.
    """

    entity_type: str
    commands: tuple[type[C], ...]
    streams: Callable[[C], Sequence[Stream]]
    initial: S
    evolve: Callable[[S, Event], S]
    decide: Callable[[C, S], list[Event]]
    references: Callable[[S], Sequence[Stream]] = refer_to_nothing


class Refused(Exception):
    """The final refusal of a command: `code` is stable, `status` is the HTTP status."""

    def __init__(
        self, code: str, message: str, status: int = 409, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status
        self.details = dict(details or {})


class UnknownSubject(Refused):
    """The refusal of a command whose entity has no events, or none yet, in this log."""

    def __init__(self, stream: Stream) -> None:
        super().__init__("unknown_subject", f"no {stream.entity_type} {stream.entity_id}", 404)
        self.stream = stream
