"""The one list of deciders: which of them decides a command."""

from typing import Any

from services.deciders import (
    consents,
    conversations,
    deliveries,
    engagements,
    leads,
    merges,
    messages,
    runs,
    sessions,
    slots,
    templates,
    tour_bookings,
    tour_outcomes,
    widgets,
    workflows,
)
from services.deciders.decider import Decider

DECIDERS: tuple[Decider[Any, Any], ...] = (
    leads.decider,
    merges.decider,
    tour_bookings.decider,
    tour_outcomes.decider,
    slots.decider,
    sessions.decider,
    messages.decider,
    conversations.decider,
    engagements.decider,
    consents.decider,
    widgets.decider,
    workflows.decider,
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
