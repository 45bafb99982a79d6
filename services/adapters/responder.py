"""The port of whoever answers visitors when no agent does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from services.host import HostProperty

LONGEST_ANSWER = 4_000


@dataclass(frozen=True, slots=True)
class Turn:
    """What a responder is told: the last message, what was said before, and whose house it is.

    `history` holds (role, content), oldest first; `settings` are the widget's as they stand.
    """

    message: str
    host_property: HostProperty
    settings: Mapping[str, Any]
    history: tuple[tuple[str, str], ...] = ()
    wants_tour: bool = False
    first_name: str | None = None
    is_lead: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """What it says. A wish it read out of the text is a proposal, never a booking."""

    content: str
    proposals: Mapping[str, Any] = field(default_factory=dict)


class NoAnswer(Exception):
    """There is nothing to say to the visitor now: a person has to."""


class Responder(Protocol):
    """May take seconds; says between 1 and `LONGEST_ANSWER` characters, or raises `NoAnswer`."""

    async def reply(self, turn: Turn) -> Response: ...
