"""The one list of deciders: which of them decides a command."""

from typing import Any

from services.deciders import (
    bookings,
    consents,
    conversations,
    definitions,
    deliveries,
    engagement,
    leads,
    merges,
    messages,
    outcomes,
    runs,
    sessions,
    slots,
    templates,
    widgets,
)
from services.deciders.decider import Decider

DECIDERS: tuple[Decider[Any, Any], ...] = (
    leads.decider,
    merges.decider,
    bookings.decider,
    outcomes.decider,
    slots.decider,
    sessions.decider,
    messages.decider,
    conversations.decider,
    engagement.decider,
    consents.decider,
    widgets.decider,
    definitions.decider,
    templates.decider,
    runs.decider,
    deliveries.decider,
)

_DECIDER_OF: dict[type, Decider[Any, Any]] = {
    command: decider for decider in DECIDERS for command in decider.commands
}


def decider_of(command: object) -> Decider[Any, Any]:
    """Raises `LookupError` for what is no command."""
    return _DECIDER_OF[type(command)]
