"""The catalog of deciders, and the decider of each command."""

from typing import Any

from services.deciders import (
    api_keys,
    consents,
    conversations,
    deliveries,
    engagements,
    enrolments,
    erasures,
    explanations,
    hand_overs,
    lead_messages,
    leads,
    merges,
    privacy,
    refused_deliveries,
    restrictions,
    run_moves,
    run_steps,
    runs,
    sessions,
    slots,
    tasks,
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
    restrictions.decider,
    privacy.decider,
    erasures.decider,
    tour_bookings.decider,
    tour_outcomes.decider,
    slots.decider,
    sessions.decider,
    conversations.decider,
    lead_messages.decider,
    engagements.decider,
    consents.decider,
    widgets.decider,
    api_keys.decider,
    workflows.decider,
    templates.decider,
    enrolments.decider,
    runs.decider,
    run_steps.decider,
    run_moves.decider,
    deliveries.decider,
    refused_deliveries.decider,
    hand_overs.decider,
    tasks.decider,
    explanations.decider,
)

DECIDER_OF: dict[type, Decider[Any, Any]] = {
    command: decider for decider in DECIDERS for command in decider.commands
}
"""The decider of each command class."""
