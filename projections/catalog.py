"""The catalog of projections: the only list to extend for a new projection.

Parents come before children: the table of a projection may refer only to tables above it.
"""

from projections import (
    activities,
    api_keys,
    consents,
    conversations,
    deliveries,
    engagements,
    erased_subjects,
    host,
    lead_texts,
    leads,
    messages,
    response_times,
    runs,
    scores,
    send_intents,
    sessions,
    slots,
    tasks,
    templates,
    tours,
    widget_keys,
    widgets,
    workflows,
)
from projections.engine import derived_table
from projections.engine.projection_group import ProjectionGroup

METADATA = derived_table.METADATA

LIVE = ProjectionGroup(
    "live",
    (
        widget_keys.projection,
        widgets.projection,
        api_keys.projection,
        leads.projection,
        lead_texts.projection,
        tours.projection,
        slots.projection,
        sessions.projection,
        conversations.projection,
        messages.projection,
        response_times.projection,
        activities.projection,
        engagements.projection,
        scores.projection,
        consents.projection,
        workflows.projection,
        templates.projection,
        runs.projection,
        deliveries.projection,
        send_intents.projection,
        tasks.projection,
        erased_subjects.projection,
    ),
)
"""The projection group of all live tables. Foreign keys connect them, so they share checkpoints."""

HOST_TABLES = (host.ORGANIZATIONS, host.PROPERTIES, host.PROFILES)
