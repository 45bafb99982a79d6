"""The one list of projections, parents before children: add a projection here and nowhere else."""

from projections import (
    conversations,
    follow_up_templates,
    host,
    lead_activities,
    lead_consents,
    lead_engagement_events,
    lead_scores,
    lead_workflows,
    leads,
    lumaleasing_config,
    messages,
    tour_slots,
    tours,
    widget_keys,
    widget_sessions,
    workflow_actions,
    workflow_definitions,
)
from projections.engine import projection
from projections.engine.unit import Unit

METADATA = projection.METADATA

LIVE = Unit(
    "live",
    (
        widget_keys.projection,
        lumaleasing_config.projection,
        leads.projection,
        tours.projection,
        tour_slots.projection,
        widget_sessions.projection,
        conversations.projection,
        messages.projection,
        lead_activities.projection,
        lead_engagement_events.projection,
        lead_scores.projection,
        lead_consents.projection,
        workflow_definitions.projection,
        follow_up_templates.projection,
        lead_workflows.projection,
        workflow_actions.projection,
    ),
)
"""The unit of all live tables: foreign keys tie them together, so they share a checkpoint."""

HOST_TABLES = (host.ORGANIZATIONS, host.PROPERTIES, host.PROFILES)
