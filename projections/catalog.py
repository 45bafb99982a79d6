"""The one list of projections, parents before children: add a projection here and nowhere else."""

from projections import (
    activities,
    consents,
    conversations,
    deliveries,
    engagements,
    host,
    leads,
    messages,
    runs,
    scores,
    sessions,
    slots,
    templates,
    tours,
    widget_keys,
    widgets,
    workflows,
)
from projections.engine import projection
from projections.engine.projection_group import ProjectionGroup

METADATA = projection.METADATA

LIVE = ProjectionGroup(
    "live",
    (
        widget_keys.projection,
        widgets.projection,
        leads.projection,
        tours.projection,
        slots.projection,
        sessions.projection,
        conversations.projection,
        messages.projection,
        activities.projection,
        engagements.projection,
        scores.projection,
        consents.projection,
        workflows.projection,
        templates.projection,
        runs.projection,
        deliveries.projection,
    ),
)
"""The unit of all live tables: foreign keys tie them together, so they share a checkpoint."""

HOST_TABLES = (host.ORGANIZATIONS, host.PROPERTIES, host.PROFILES)
