"""The interface of the responder, which computes the bot's replies to visitors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

MAX_REPLY_CHARACTERS = 4_000


@dataclass(frozen=True, slots=True)
class ResponderRequest:
    """The input of a responder.

    `address` and `property_settings` are the host's, `widget_settings` those of the widget.
    `history` has the earlier messages of the same session as (role, content), the oldest first.
    There is nothing else about the visitor: whoever names an e-mail address is linked to its lead,
    and must not learn what is stored about that person.
    """

    message: str
    property_name: str
    address: Mapping[str, Any]
    property_settings: Mapping[str, Any]
    widget_settings: Mapping[str, Any]
    history: tuple[tuple[str, str], ...] = ()
    wants_tour: bool = False


@dataclass(frozen=True, slots=True)
class ResponderReply:
    """The reply of a responder."""

    content: str


class NoReply(Exception):
    """The responder has no reply: an agent has to answer."""


class Responder(Protocol):
    """A source of replies; it may need seconds."""

    async def reply(self, request: ResponderRequest) -> ResponderReply:
        """Return a reply of 1 to `MAX_REPLY_CHARACTERS` characters. Raises `NoReply`."""
