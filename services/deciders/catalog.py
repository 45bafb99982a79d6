"""The catalog of deciders, and the decider of each command."""

from typing import Any

from services.deciders import (
    consents,
    conversations,
    deliveries,
    engagements,
    leads,
    merges,
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
    conversations.decider,
    engagements.decider,
    consents.decider,
    widgets.decider,
    workflows.decider,
    templates.decider,
    runs.decider,
    deliveries.decider,
)

DECIDER_OF: dict[type, Decider[Any, Any]] = {
    command: decider for decider in DECIDERS for command in decider.commands
}
"""The decider of each command class."""
