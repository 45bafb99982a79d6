"""The one list of routers: a noun's routes are added here and nowhere else."""

from services.api.routes import (
    activities,
    chat,
    conversations,
    deliveries,
    insights,
    lead_list,
    leads,
    merges,
    runs,
    scores,
    session_events,
    slots,
    templates,
    tours,
    widget_admin,
    widget_statistics,
    widgets,
    workflows,
)

ROUTERS = (
    chat.router, session_events.router, widgets.router, widget_admin.router,
    leads.router, lead_list.router, activities.router, merges.router,
    slots.router, tours.router,
    scores.router, insights.router, conversations.router, widget_statistics.router,
    workflows.router, templates.router, runs.router, deliveries.router,
)  # fmt: skip
