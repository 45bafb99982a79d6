"""The one list of routers: a noun's routes are added here and nowhere else."""

from services.http import (
    activities,
    chat,
    conversations,
    deliveries,
    insights,
    lead_list,
    leadpulse,
    leads,
    merges,
    overview,
    runs,
    slots,
    stream,
    templates,
    tours,
    widget_admin,
    widgets,
    workflows,
)

ROUTERS = (
    chat.router, stream.router, widgets.router, widget_admin.router,
    leads.router, lead_list.router, activities.router, merges.router,
    slots.router, tours.router,
    leadpulse.router, insights.router, conversations.router, overview.router,
    workflows.router, templates.router, runs.router, deliveries.router,
)  # fmt: skip
